# syntax=docker/dockerfile:1
# docker build .                  the bot
# docker build --target node .    the bot with Node.js, for tool servers that are started with npx

FROM python:3.13-slim-trixie AS build
WORKDIR /src
# Byte code of all packages would be 67 MB.
ENV PYTHONDONTWRITEBYTECODE=1
# Installed packages change less often than the program, so they are a layer of their own.
COPY requirements/runtime.txt requirements/
RUN python -m venv /opt/massgen-bot \
    && /opt/massgen-bot/bin/python -m pip install --no-cache-dir --no-compile --no-deps --require-hashes --only-binary :all: \
        --requirement requirements/runtime.txt \
    && /opt/massgen-bot/bin/python -m pip check
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY massgen_bot massgen_bot
COPY configs configs
COPY docs docs
COPY coordination coordination
COPY bot bot
# What builds and installs is of no use to what runs.
RUN /opt/massgen-bot/bin/python -m hatchling build --target wheel --directory /dist \
    && /opt/massgen-bot/bin/python -m pip install --no-cache-dir --no-compile --no-deps /dist/*.whl \
    && /opt/massgen-bot/bin/python -m pip uninstall --quiet --yes hatchling trove-classifiers pathspec pluggy pip

FROM python:3.13-slim-trixie AS base
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /var/lib/massgen-bot massgen-bot \
    && install --directory --owner=massgen-bot --group=massgen-bot --mode=0700 /var/lib/massgen-bot
COPY --from=build /opt/massgen-bot /opt/massgen-bot
COPY --chmod=0755 scripts/healthcheck /opt/massgen-bot/bin/healthcheck
ENV PATH=/opt/massgen-bot/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MASSGEN_BOT_STATE=/var/lib/massgen-bot \
    MASSGEN_BOT_HEALTH_PORT=8080
# Only this folder is written to, and /tmp by what tool servers keep there: all else may be read-only.
VOLUME ["/var/lib/massgen-bot"]
WORKDIR /var/lib/massgen-bot
USER 10001:10001
EXPOSE 8080 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "/opt/massgen-bot/bin/healthcheck"]
ENTRYPOINT ["massgen-bot"]
CMD ["up"]

FROM base AS node
COPY --from=node:22-trixie-slim /usr/local/bin/node /usr/local/bin/node
COPY --from=node:22-trixie-slim /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm
USER 0
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
    && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
ENV NPM_CONFIG_CACHE=/tmp/npm
USER 10001:10001
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="massgen-bot with Node.js" \
      org.opencontainers.image.description="Several AI agents agree on a plan of tool calls; people approve it; exactly those calls run." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM base AS bot
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="massgen-bot" \
      org.opencontainers.image.description="Several AI agents agree on a plan of tool calls; people approve it; exactly those calls run." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
