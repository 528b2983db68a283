"""`python -m massgen_bot` is `massgen-bot`."""

from massgen_bot import main

if __name__ == "__main__":
    main()
