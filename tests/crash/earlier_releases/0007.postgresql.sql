-- drawn: m1 Decide | “waits” | asked by rita | 1. board.post(title=waits) | 2. board.post(title=again: waits) | agent1 was alone in the end, so its plan was not put to a vote. | Two posts. | Needs 1 of ops · not by the one who asked · until | run WJ7TJ · plan 9d45-90a3 · config ops · digest 9d4590a39c3907dd7475345b2e1c5e5665b970b370cbad881cffc5af992de82b | <Approve 2 calls=d9HsWEPhnYpiynMWZCPJFQ> | <Reject=q9YHH6IadDzPgGB4Ugm6Pg> | <Request changes=Pljzasky3OaHk1TTOjNPNg> | <Details=-kfZCK92sv_u6afXj_vmKg>
-- drawn: m2 Running | “runs” | asked by rita | Approved by alice at . | 1. board.post(title=runs) running | 2. board.post(title=again: runs) | 0 of 2 calls · 1.0 s · run 7J528 · plan 82bb-b382 · config ops | <Cancel=aatdXFyLrgNT1gsTalXluQ>
-- drawn: m3 Planning | “reads” | asked by rita | agent1 thinking | round 1 · 0.2 s · run WC8F3 · config ops | <Cancel=mUtXPbPpu41r5nKgjmnVpA>



SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;


CREATE SCHEMA dbos;



CREATE FUNCTION dbos.enqueue_workflow(workflow_name text, queue_name text, positional_args json[] DEFAULT ARRAY[]::json[], named_args json DEFAULT '{}'::json, class_name text DEFAULT NULL::text, config_name text DEFAULT NULL::text, workflow_id text DEFAULT NULL::text, app_version text DEFAULT NULL::text, timeout_ms bigint DEFAULT NULL::bigint, deadline_epoch_ms bigint DEFAULT NULL::bigint, deduplication_id text DEFAULT NULL::text, priority integer DEFAULT NULL::integer, queue_partition_key text DEFAULT NULL::text, authenticated_user text DEFAULT NULL::text, authenticated_roles text DEFAULT NULL::text, delay_until_epoch_ms bigint DEFAULT NULL::bigint, application_name text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    v_workflow_id TEXT;
    v_serialized_inputs TEXT;
    v_owner_xid TEXT;
    v_now BIGINT;
    v_recovery_attempts INT4 := 0;
    v_priority INT4;
    v_status TEXT;
BEGIN

    -- Validate required parameters
    IF workflow_name IS NULL OR workflow_name = '' THEN
        RAISE EXCEPTION 'Workflow name cannot be null or empty';
    END IF;
    IF queue_name IS NULL OR queue_name = '' THEN
        RAISE EXCEPTION 'Queue name cannot be null or empty';
    END IF;
    IF named_args IS NOT NULL AND jsonb_typeof(named_args::jsonb) != 'object' THEN
        RAISE EXCEPTION 'Named args must be a JSON object';
    END IF;
    IF workflow_id IS NOT NULL AND workflow_id = '' THEN
        RAISE EXCEPTION 'Workflow ID cannot be an empty string if provided.';
    END IF;
    IF delay_until_epoch_ms IS NOT NULL AND delay_until_epoch_ms < 0 THEN
        RAISE EXCEPTION 'delay_until_epoch_ms must be >= 0';
    END IF;

    v_workflow_id := COALESCE(workflow_id, gen_random_uuid()::TEXT);
    v_owner_xid := gen_random_uuid()::TEXT;
    v_priority := COALESCE(priority, 0);
    v_serialized_inputs := json_build_object(
        'positionalArgs', positional_args,
        'namedArgs', named_args
    )::TEXT;
    v_now := EXTRACT(epoch FROM now()) * 1000;
    v_status := CASE WHEN delay_until_epoch_ms IS NULL THEN 'ENQUEUED' ELSE 'DELAYED' END;

    INSERT INTO "dbos".workflow_status (
        workflow_uuid, status,
        name, class_name, config_name,
        queue_name, deduplication_id, priority, queue_partition_key,
        application_version,
        created_at, updated_at, recovery_attempts,
        workflow_timeout_ms, workflow_deadline_epoch_ms,
        parent_workflow_id, owner_xid, serialization,
        authenticated_user, authenticated_roles,
        delay_until_epoch_ms, application_name
    ) VALUES (
        v_workflow_id, v_status,
        workflow_name, class_name, config_name,
        queue_name, deduplication_id, v_priority, queue_partition_key,
        app_version,
        v_now, v_now, v_recovery_attempts,
        timeout_ms, deadline_epoch_ms,
        NULL, v_owner_xid, 'portable_json',
        authenticated_user, authenticated_roles,
        delay_until_epoch_ms, application_name
    )
    ON CONFLICT (workflow_uuid)
    DO UPDATE SET
        updated_at = EXCLUDED.updated_at;

    INSERT INTO "dbos".workflow_input (
        workflow_uuid, inputs, retention_timestamp
    ) VALUES (
        v_workflow_id, v_serialized_inputs, v_now
    )
    ON CONFLICT (workflow_uuid) DO NOTHING;

    RETURN v_workflow_id;

EXCEPTION
    WHEN unique_violation THEN
        RAISE EXCEPTION 'DBOS queue duplicated'
            USING DETAIL = format('Workflow %s with queue %s and deduplication ID %s already exists', v_workflow_id, queue_name, deduplication_id),
                ERRCODE = 'unique_violation';
END;
$$;



CREATE FUNCTION dbos.notifications_function() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    payload text := NEW.destination_uuid || '::' || NEW.topic;
BEGIN
    PERFORM pg_notify('dbos_notifications_channel', payload);
    RETURN NEW;
END;
$$;



CREATE FUNCTION dbos.send_message(destination_id text, message json, topic text DEFAULT NULL::text, message_id text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    v_topic TEXT := COALESCE(topic, '__null__topic__');
    v_message_id TEXT := COALESCE(message_id, gen_random_uuid()::TEXT);
BEGIN
    INSERT INTO "dbos".notifications (
        destination_uuid, topic, message, message_uuid, serialization
    ) VALUES (
        destination_id, v_topic, message, v_message_id, 'portable_json'
    )
    ON CONFLICT (message_uuid) DO NOTHING;
EXCEPTION
    WHEN foreign_key_violation THEN
        RAISE EXCEPTION 'DBOS non-existent workflow'
            USING DETAIL = format('Destination workflow %s does not exist', destination_id),
                ERRCODE = 'foreign_key_violation';
END;
$$;


SET default_tablespace = '';

SET default_table_access_method = heap;


CREATE TABLE dbos.application_versions (
    version_id text NOT NULL,
    version_name text NOT NULL,
    version_timestamp bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    created_at bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    application_name text
);



CREATE TABLE dbos.dbos_migrations (
    version bigint NOT NULL
);



CREATE TABLE dbos.event_dispatch_kv (
    service_name text NOT NULL,
    workflow_fn_name text NOT NULL,
    key text NOT NULL,
    value text,
    update_seq numeric(38,0),
    update_time numeric(38,15)
);



CREATE TABLE dbos.notifications (
    message_uuid text DEFAULT gen_random_uuid() NOT NULL,
    destination_uuid text NOT NULL,
    topic text,
    message text NOT NULL,
    created_at_epoch_ms bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    serialization text,
    consumed boolean DEFAULT false NOT NULL,
    consumed_by_function_id integer
);



CREATE TABLE dbos.operation_outputs (
    workflow_uuid text NOT NULL,
    function_id integer NOT NULL,
    function_name text DEFAULT ''::text NOT NULL,
    output text,
    error text,
    child_workflow_id text,
    started_at_epoch_ms bigint,
    completed_at_epoch_ms bigint,
    serialization text,
    application_name text,
    retention_timestamp bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL
);



CREATE TABLE dbos.queues (
    queue_id text DEFAULT (gen_random_uuid())::text NOT NULL,
    name text NOT NULL,
    concurrency integer,
    worker_concurrency integer,
    rate_limit_max integer,
    rate_limit_period_sec double precision,
    priority_enabled boolean DEFAULT false NOT NULL,
    partition_queue boolean DEFAULT false NOT NULL,
    polling_interval_sec double precision DEFAULT 1.0 NOT NULL,
    created_at bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    updated_at bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    application_name text,
    partition_concurrency integer,
    partition_worker_concurrency integer,
    partition_rate_limit_max integer,
    partition_rate_limit_period_sec double precision
);



CREATE TABLE dbos.streams (
    workflow_uuid text NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    "offset" integer NOT NULL,
    function_id integer DEFAULT 0 NOT NULL,
    serialization text
);



CREATE TABLE dbos.workflow_events (
    workflow_uuid text NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    serialization text
);



CREATE TABLE dbos.workflow_events_history (
    workflow_uuid text NOT NULL,
    function_id integer NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    serialization text
);



CREATE TABLE dbos.workflow_input (
    workflow_uuid text NOT NULL,
    inputs text,
    retention_timestamp bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL
);



CREATE TABLE dbos.workflow_output (
    workflow_uuid text NOT NULL,
    output text,
    error text,
    retention_timestamp bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL
);



CREATE TABLE dbos.workflow_schedules (
    schedule_id text NOT NULL,
    schedule_name text NOT NULL,
    workflow_name text NOT NULL,
    workflow_class_name text,
    schedule text NOT NULL,
    status text DEFAULT 'ACTIVE'::text NOT NULL,
    context text NOT NULL,
    last_fired_at text,
    automatic_backfill boolean DEFAULT false NOT NULL,
    cron_timezone text,
    queue_name text,
    application_name text
);



CREATE TABLE dbos.workflow_status (
    workflow_uuid text NOT NULL,
    status text,
    name text,
    authenticated_user text,
    assumed_role text,
    authenticated_roles text,
    request text,
    output text,
    error text,
    executor_id text,
    created_at bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    updated_at bigint DEFAULT ((EXTRACT(epoch FROM now()) * 1000.0))::bigint NOT NULL,
    application_version text,
    application_id text,
    class_name character varying(255) DEFAULT NULL::character varying,
    config_name character varying(255) DEFAULT NULL::character varying,
    recovery_attempts bigint DEFAULT 0,
    queue_name text,
    workflow_timeout_ms bigint,
    workflow_deadline_epoch_ms bigint,
    inputs text,
    started_at_epoch_ms bigint,
    deduplication_id text,
    priority integer DEFAULT 0 NOT NULL,
    queue_partition_key text,
    forked_from text,
    owner_xid text,
    parent_workflow_id text,
    serialization text,
    delay_until_epoch_ms bigint,
    was_forked_from boolean DEFAULT false NOT NULL,
    rate_limited boolean DEFAULT false NOT NULL,
    completed_at bigint,
    attributes jsonb,
    schedule_name text,
    debounce_deadline_epoch_ms bigint,
    is_debounced boolean DEFAULT false NOT NULL,
    application_name text,
    creator_xid text
);



CREATE TABLE public.buttons (
    id text NOT NULL,
    run text NOT NULL,
    tenant text NOT NULL,
    attempt integer NOT NULL,
    verb text NOT NULL,
    digest text NOT NULL,
    call integer,
    value text NOT NULL,
    issued_at text NOT NULL
);



CREATE TABLE public.cards (
    run text NOT NULL,
    surface text NOT NULL,
    tenant text NOT NULL,
    channel text NOT NULL,
    thread text NOT NULL,
    requester text NOT NULL,
    requester_name text NOT NULL,
    asked_at text NOT NULL,
    state text NOT NULL,
    attempt integer NOT NULL,
    message text NOT NULL,
    posted_at text,
    shown text NOT NULL,
    story text NOT NULL,
    told integer NOT NULL,
    reminded text NOT NULL,
    is_outcome_told boolean NOT NULL,
    is_trouble_told boolean NOT NULL,
    stale text NOT NULL,
    wake_at text,
    language text DEFAULT ''::text NOT NULL
);



CREATE TABLE public.configs (
    digest text NOT NULL,
    text text NOT NULL,
    origin text NOT NULL,
    saved_at timestamp with time zone DEFAULT now() NOT NULL
);



CREATE TABLE public.deeds (
    number integer NOT NULL,
    tenant text NOT NULL,
    channel text NOT NULL,
    by text NOT NULL,
    by_name text NOT NULL,
    at text NOT NULL,
    what text NOT NULL,
    detail text NOT NULL
);



CREATE SEQUENCE public.deeds_number_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;



ALTER SEQUENCE public.deeds_number_seq OWNED BY public.deeds.number;



CREATE TABLE public.events (
    run text NOT NULL,
    seq integer NOT NULL,
    at text NOT NULL,
    kind text NOT NULL,
    v integer NOT NULL,
    body text NOT NULL,
    prev text NOT NULL,
    hash text NOT NULL
);



CREATE TABLE public.installation (
    name text NOT NULL,
    value text NOT NULL
);



CREATE TABLE public.massgen_bot_version (
    version_num character varying(32) NOT NULL
);



CREATE TABLE public.outages (
    since timestamp with time zone NOT NULL,
    until timestamp with time zone NOT NULL
);



CREATE TABLE public.read_lists (
    config text NOT NULL,
    match text NOT NULL,
    server text NOT NULL,
    tools text NOT NULL
);



CREATE TABLE public.runs (
    run text NOT NULL,
    tenant text NOT NULL,
    state text NOT NULL,
    prompt text NOT NULL,
    requester text NOT NULL,
    config text NOT NULL,
    started_at text NOT NULL,
    updated_at text NOT NULL,
    expires_at text,
    seq integer NOT NULL,
    head text NOT NULL
);



CREATE TABLE public.scopes (
    tenant text NOT NULL,
    channel text NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    by text NOT NULL,
    by_name text NOT NULL,
    at text NOT NULL
);



CREATE TABLE public.seen (
    tenant text NOT NULL,
    event text NOT NULL,
    run text NOT NULL,
    at text NOT NULL
);



CREATE TABLE public.worker_slots (
    name text NOT NULL,
    holder text NOT NULL,
    beat integer NOT NULL,
    beat_at timestamp with time zone
);



ALTER TABLE ONLY public.deeds ALTER COLUMN number SET DEFAULT nextval('public.deeds_number_seq'::regclass);



INSERT INTO dbos.application_versions VALUES ('a5597a5a-ed12-42c8-b171-0c177e236364', '1', 1795926894645, 1795926894645, 'massgen-bot');



INSERT INTO dbos.dbos_migrations VALUES (125);












INSERT INTO dbos.queues VALUES ('d56fad68-341b-43ec-90cd-9dc76c7ac62d', 'deliberate', NULL, 128, NULL, NULL, true, true, 1, 1795926894818, 1795926894796, 'massgen-bot', NULL, 96, NULL, NULL);
INSERT INTO dbos.queues VALUES ('5a4d7f4b-a454-40f9-b0cb-9424fd8e2de9', 'execute', NULL, 32, NULL, NULL, true, true, 1, 1795926894985, 1795926894982, 'massgen-bot', NULL, 24, NULL, NULL);












INSERT INTO dbos.workflow_input VALUES ('run-WJ7TJ-1', '{"namedArgs":{},"positionalArgs":["WJ7TJ","line:home",1,1]}', 1795926895369);
INSERT INTO dbos.workflow_input VALUES ('run-7J528-1', '{"namedArgs":{},"positionalArgs":["7J528","line:home",1,1]}', 1795926896248);
INSERT INTO dbos.workflow_input VALUES ('exec-7J528-1-1', '{"namedArgs":{},"positionalArgs":["7J528","line:home",1,1]}', 1795926897061);
INSERT INTO dbos.workflow_input VALUES ('run-WC8F3-1', '{"namedArgs":{},"positionalArgs":["WC8F3","line:home",1,1]}', 1795926897354);



INSERT INTO dbos.workflow_output VALUES ('run-WJ7TJ-1', 'null', NULL, 1795926895754);
INSERT INTO dbos.workflow_output VALUES ('run-7J528-1', 'null', NULL, 1795926896626);






INSERT INTO dbos.workflow_status VALUES ('run-WJ7TJ-1', 'SUCCESS', 'deliberate_v1', NULL, NULL, NULL, NULL, NULL, NULL, 'slot-0', 1795926895369, 1795926895754, '1', NULL, NULL, NULL, 1, 'deliberate', NULL, NULL, NULL, 1795926895435, NULL, 0, 'line:home', NULL, NULL, NULL, 'portable_json', NULL, false, false, 1795926895754, 'null', NULL, NULL, false, 'massgen-bot', 'ca4d05c3-5c54-4926-904a-ca17dd5f4096');
INSERT INTO dbos.workflow_status VALUES ('run-7J528-1', 'SUCCESS', 'deliberate_v1', NULL, NULL, NULL, NULL, NULL, NULL, 'slot-0', 1795926896248, 1795926896626, '1', NULL, NULL, NULL, 1, 'deliberate', NULL, NULL, NULL, 1795926896411, NULL, 0, 'line:home', NULL, NULL, NULL, 'portable_json', NULL, false, false, 1795926896626, 'null', NULL, NULL, false, 'massgen-bot', '490ead3b-88a0-4c08-92f1-f1e018b350cb');
INSERT INTO dbos.workflow_status VALUES ('exec-7J528-1-1', 'PENDING', 'execute_v1', NULL, NULL, NULL, NULL, NULL, NULL, 'slot-0', 1795926897061, 1795926897125, '1', NULL, NULL, NULL, 1, 'execute', NULL, NULL, NULL, 1795926897125, NULL, 0, 'line:home', NULL, '0fdcd3dd-c7ce-4e69-9de3-7b1353e6e499', NULL, 'portable_json', NULL, false, false, NULL, 'null', NULL, NULL, false, 'massgen-bot', 'dae691ac-75c1-4fc1-bcc8-8b69bc8a0416');
INSERT INTO dbos.workflow_status VALUES ('run-WC8F3-1', 'PENDING', 'deliberate_v1', NULL, NULL, NULL, NULL, NULL, NULL, 'slot-0', 1795926897354, 1795926897411, '1', NULL, NULL, NULL, 1, 'deliberate', NULL, NULL, NULL, 1795926897411, NULL, 0, 'line:home', NULL, '43e1fdd9-045a-4052-8379-d731828ff84a', NULL, 'portable_json', NULL, false, false, NULL, 'null', NULL, NULL, false, 'massgen-bot', '9ca9cebf-bf42-44c9-bd3c-8c28add54d3f');



INSERT INTO public.buttons VALUES ('WdUdN-hNhINyCqyLt3MmFA', 'WJ7TJ', 'line:home', 1, 'cancel', '', NULL, '', '2026-11-29T04:34:55.527363+00:00');
INSERT INTO public.buttons VALUES ('d9HsWEPhnYpiynMWZCPJFQ', 'WJ7TJ', 'line:home', 1, 'approve', '9d4590a39c3907dd7475345b2e1c5e5665b970b370cbad881cffc5af992de82b', NULL, '', '2026-11-29T04:34:56.070451+00:00');
INSERT INTO public.buttons VALUES ('q9YHH6IadDzPgGB4Ugm6Pg', 'WJ7TJ', 'line:home', 1, 'reject', '9d4590a39c3907dd7475345b2e1c5e5665b970b370cbad881cffc5af992de82b', NULL, '', '2026-11-29T04:34:56.070451+00:00');
INSERT INTO public.buttons VALUES ('Pljzasky3OaHk1TTOjNPNg', 'WJ7TJ', 'line:home', 1, 'change', '9d4590a39c3907dd7475345b2e1c5e5665b970b370cbad881cffc5af992de82b', NULL, '', '2026-11-29T04:34:56.070451+00:00');
INSERT INTO public.buttons VALUES ('-kfZCK92sv_u6afXj_vmKg', 'WJ7TJ', 'line:home', 1, 'details', '9d4590a39c3907dd7475345b2e1c5e5665b970b370cbad881cffc5af992de82b', NULL, '', '2026-11-29T04:34:56.070451+00:00');
INSERT INTO public.buttons VALUES ('aatdXFyLrgNT1gsTalXluQ', '7J528', 'line:home', 1, 'cancel', '', NULL, '', '2026-11-29T04:34:56.341127+00:00');
INSERT INTO public.buttons VALUES ('-1psZdh5Kp1tLbjn_ZaJIA', '7J528', 'line:home', 1, 'approve', '82bbb38229805cb763dcb69376aa133a3ac9609efcf2a169c0826b0be128aa09', NULL, '', '2026-11-29T04:34:56.847242+00:00');
INSERT INTO public.buttons VALUES ('DpIYImNpWl5Zu3IGfyVLNQ', '7J528', 'line:home', 1, 'reject', '82bbb38229805cb763dcb69376aa133a3ac9609efcf2a169c0826b0be128aa09', NULL, '', '2026-11-29T04:34:56.847242+00:00');
INSERT INTO public.buttons VALUES ('6kGdrQ7Bo00ZLTSgvwP8CA', '7J528', 'line:home', 1, 'change', '82bbb38229805cb763dcb69376aa133a3ac9609efcf2a169c0826b0be128aa09', NULL, '', '2026-11-29T04:34:56.847242+00:00');
INSERT INTO public.buttons VALUES ('2x2njUbHNjH5-9ZTrbXQRg', '7J528', 'line:home', 1, 'details', '82bbb38229805cb763dcb69376aa133a3ac9609efcf2a169c0826b0be128aa09', NULL, '', '2026-11-29T04:34:56.847242+00:00');
INSERT INTO public.buttons VALUES ('mUtXPbPpu41r5nKgjmnVpA', 'WC8F3', 'line:home', 1, 'cancel', '', NULL, '', '2026-11-29T04:34:57.473931+00:00');



INSERT INTO public.cards VALUES ('WJ7TJ', 'line', 'line:home', 'hall', '', 'rita', 'rita', '2026-11-29T04:34:55.296579+00:00', 'live', 1, 'm1', '2026-11-29T04:34:55.545795+00:00', '4b9cf6af6226881b7bfc21d4bb3fa1c629ded8733c99318bc23422eed4dd1067', '', 10, '9d45-90a3:new', false, false, '[]', '2026-11-29T16:34:55.729371+00:00', '');
INSERT INTO public.cards VALUES ('7J528', 'line', 'line:home', 'hall', '', 'rita', 'rita', '2026-11-29T04:34:56.157242+00:00', 'live', 1, 'm2', '2026-11-29T04:34:56.401905+00:00', '9df4b6398d16634228f74ab416e566f4773b661de187966f54684b3dc24f9053', '', 12, '82bb-b382:new', false, false, '[]', NULL, '');
INSERT INTO public.cards VALUES ('WC8F3', 'line', 'line:home', 'hall', '', 'rita', 'rita', '2026-11-29T04:34:57.303090+00:00', 'live', 1, 'm3', '2026-11-29T04:34:57.487233+00:00', 'ac99961473e16673a17e915d7782e5dd2aa05e14cf183521b8d328daf3c49663', '', 4, '', false, false, '[]', NULL, '');



INSERT INTO public.configs VALUES ('0f92613bb430aff7535892840e2af41e1876f9983fc726bd7df31dce74e22b88', '
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{tool: board.look, arguments: {title: all}}]
            - calls:
                - {tool: board.post, arguments: {title: "{prompt}"}}
                - {tool: board.post, arguments: {title: "again: {prompt}"}}
              answer: Two posts.
        report: [{say: That is what happened.}]
mcp_servers:
  board: {type: stdio, command: python3}
tools: [{match: board.look, effect: read}]
approval: {approvers: {roles: [ops]}, expires_after: 24h}
', '/tmp/tmp0ppqhn0x/configs/ops.yaml', '2026-11-29 04:34:55.354727+00');






INSERT INTO public.events VALUES ('WJ7TJ', 1, '2026-11-29T04:34:55.358573+00:00', 'run_requested', 2, '{"tenant":"line:home","prompt":"waits","requester":{"tenant":"line:home","id":"rita","name":"rita","roles":[],"is_admin":false},"config":"ops","config_digest":"0f92613bb430aff7535892840e2af41e1876f9983fc726bd7df31dce74e22b88","agents":["one"],"history":[],"earlier_requesters":[],"earlier_shapers":[],"rules_version":3,"asked_in":"hall","kind":"run_requested"}', '0000000000000000000000000000000000000000000000000000000000000000', '8e163c7388535d7f94a6be4d8c5942e3e1058b1771c226d5abd6110467a452aa');
INSERT INTO public.events VALUES ('WJ7TJ', 2, '2026-11-29T04:34:55.550577+00:00', 'deliberation_started', 1, '{"revision":1,"kind":"deliberation_started"}', '8e163c7388535d7f94a6be4d8c5942e3e1058b1771c226d5abd6110467a452aa', '603705d199b19739c99de554b18d3df9df315c63e3670bd83aceefab1adf692f');
INSERT INTO public.events VALUES ('WJ7TJ', 3, '2026-11-29T04:34:55.724040+00:00', 'turn_started', 1, '{"agent":1,"turn":1,"epoch":0,"kind":"turn_started"}', '603705d199b19739c99de554b18d3df9df315c63e3670bd83aceefab1adf692f', '237344eef140229ea6cfffb3b9998248e8bb423ceb8cc0b9e2e73b01b414ab03');
INSERT INTO public.events VALUES ('WJ7TJ', 4, '2026-11-29T04:34:55.735629+00:00', 'model_used', 1, '{"agent":1,"model":"scripted","input_tokens":0,"cached_tokens":0,"output_tokens":0,"cost":null,"is_estimated":false,"kind":"model_used"}', '237344eef140229ea6cfffb3b9998248e8bb423ceb8cc0b9e2e73b01b414ab03', 'a53335354c5a9164a2b0061c619248f0b1b73892033487a4f775590e6bf17cf2');
INSERT INTO public.events VALUES ('WJ7TJ', 5, '2026-11-29T04:34:55.735629+00:00', 'tool_read', 2, '{"agent":1,"server":"board","tool":"look","arguments":"{\"title\":\"all\"}","excerpt":"look says so","is_error":false,"doubtful_rule":"","kind":"tool_read"}', 'a53335354c5a9164a2b0061c619248f0b1b73892033487a4f775590e6bf17cf2', '68cace9bb9af5f79ef8ea588a64aa78a5e7f9e85099f2dfcc7b4f8569439db07');
INSERT INTO public.events VALUES ('WJ7TJ', 6, '2026-11-29T04:34:55.735629+00:00', 'model_used', 1, '{"agent":1,"model":"scripted","input_tokens":0,"cached_tokens":0,"output_tokens":0,"cost":null,"is_estimated":false,"kind":"model_used"}', '68cace9bb9af5f79ef8ea588a64aa78a5e7f9e85099f2dfcc7b4f8569439db07', '44e3c224e5371c130b4d8160e9f11f31ea224a15a9783ed6700b1bfc2f3448f8');
INSERT INTO public.events VALUES ('WJ7TJ', 7, '2026-11-29T04:34:55.735629+00:00', 'action_recorded', 2, '{"agent":1,"call":{"server":"board","tool":"post","arguments":"{\"title\":\"waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},"kind":"action_recorded"}', '44e3c224e5371c130b4d8160e9f11f31ea224a15a9783ed6700b1bfc2f3448f8', '6ff6924485e9a044cc2ba0a20920de202900c6e441ac2153ac64df74efd25d35');
INSERT INTO public.events VALUES ('WJ7TJ', 8, '2026-11-29T04:34:55.735629+00:00', 'action_recorded', 2, '{"agent":1,"call":{"server":"board","tool":"post","arguments":"{\"title\":\"again: waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},"kind":"action_recorded"}', '6ff6924485e9a044cc2ba0a20920de202900c6e441ac2153ac64df74efd25d35', 'e3c6318d3a88c6c2d0d0c4b3d40a5eca82cd98bf9dbd5e8dc6e22c98151e211c');
INSERT INTO public.events VALUES ('WJ7TJ', 9, '2026-11-29T04:34:55.735629+00:00', 'answer_accepted', 2, '{"agent":1,"number":1,"epoch":1,"text":"Two posts.","calls":[{"server":"board","tool":"post","arguments":"{\"title\":\"waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},{"server":"board","tool":"post","arguments":"{\"title\":\"again: waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""}],"kind":"answer_accepted"}', 'e3c6318d3a88c6c2d0d0c4b3d40a5eca82cd98bf9dbd5e8dc6e22c98151e211c', '727b7f2a8bf830e8291939c7f1ff88aed1d7e61c0219a070f6e07c355a6bedc0');
INSERT INTO public.events VALUES ('WJ7TJ', 10, '2026-11-29T04:34:55.745372+00:00', 'plan_proposed', 2, '{"plan":{"tenant":"line:home","run":"WJ7TJ","revision":1,"author":"agent1.final","text":"Two posts.","calls":[{"server":"board","tool":"post","arguments":"{\"title\":\"waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},{"server":"board","tool":"post","arguments":"{\"title\":\"again: waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""}],"policy":{"roles":["ops"],"users":[],"required":1,"allow_requester":false,"expires_after":86400,"allow_author":false},"expires_at":"2026-11-30T04:34:55.729371Z"},"digest":"9d4590a39c3907dd7475345b2e1c5e5665b970b370cbad881cffc5af992de82b","election":{"winner":{"agent":1,"number":1,"epoch":1,"text":"Two posts.","calls":[{"server":"board","tool":"post","arguments":"{\"title\":\"waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},{"server":"board","tool":"post","arguments":"{\"title\":\"again: waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""}]},"votes":0,"voters":1,"ending":"alone"},"written_after_vote":false,"chosen_by":null,"kind":"plan_proposed"}', '727b7f2a8bf830e8291939c7f1ff88aed1d7e61c0219a070f6e07c355a6bedc0', '4f654b96cae437acb6094e3012cff480fa5ca26a033ede359a3f471718d88f5a');
INSERT INTO public.events VALUES ('7J528', 1, '2026-11-29T04:34:56.245628+00:00', 'run_requested', 2, '{"tenant":"line:home","prompt":"runs","requester":{"tenant":"line:home","id":"rita","name":"rita","roles":[],"is_admin":false},"config":"ops","config_digest":"0f92613bb430aff7535892840e2af41e1876f9983fc726bd7df31dce74e22b88","agents":["one"],"history":[],"earlier_requesters":[],"earlier_shapers":[],"rules_version":3,"asked_in":"hall","kind":"run_requested"}', '0000000000000000000000000000000000000000000000000000000000000000', 'f2c56a41b1fde46379acc9380b9517b135efdbcf9b7ed9ae71844bde67373285');
INSERT INTO public.events VALUES ('7J528', 2, '2026-11-29T04:34:56.492767+00:00', 'deliberation_started', 1, '{"revision":1,"kind":"deliberation_started"}', 'f2c56a41b1fde46379acc9380b9517b135efdbcf9b7ed9ae71844bde67373285', '0742e9e94ee356be8ba5cf7ab11ad8ce1d63330410abda1d77c572cdb0e1f771');
INSERT INTO public.events VALUES ('7J528', 3, '2026-11-29T04:34:56.566498+00:00', 'turn_started', 1, '{"agent":1,"turn":1,"epoch":0,"kind":"turn_started"}', '0742e9e94ee356be8ba5cf7ab11ad8ce1d63330410abda1d77c572cdb0e1f771', 'b165998a4d5a39b7ec030cb1a73ada127611f29a5eacf37358eb6315df308f51');
INSERT INTO public.events VALUES ('7J528', 4, '2026-11-29T04:34:56.617236+00:00', 'model_used', 1, '{"agent":1,"model":"scripted","input_tokens":0,"cached_tokens":0,"output_tokens":0,"cost":null,"is_estimated":false,"kind":"model_used"}', 'b165998a4d5a39b7ec030cb1a73ada127611f29a5eacf37358eb6315df308f51', '5767ce44ccc960e551c6c90e8240da17721a63baf4b08074144a4b78eade7c6e');
INSERT INTO public.events VALUES ('7J528', 5, '2026-11-29T04:34:56.617236+00:00', 'tool_read', 2, '{"agent":1,"server":"board","tool":"look","arguments":"{\"title\":\"all\"}","excerpt":"look says so","is_error":false,"doubtful_rule":"","kind":"tool_read"}', '5767ce44ccc960e551c6c90e8240da17721a63baf4b08074144a4b78eade7c6e', 'b1f221acb2ce33a293d432bdc98ca402515d14f0d825745bbaafa196d8e1bb78');
INSERT INTO public.events VALUES ('7J528', 6, '2026-11-29T04:34:56.617236+00:00', 'model_used', 1, '{"agent":1,"model":"scripted","input_tokens":0,"cached_tokens":0,"output_tokens":0,"cost":null,"is_estimated":false,"kind":"model_used"}', 'b1f221acb2ce33a293d432bdc98ca402515d14f0d825745bbaafa196d8e1bb78', 'c67743b277e2a4c4819d7900483bfb4c3aa80ff18f8d0123df10ee432839b8ed');
INSERT INTO public.events VALUES ('7J528', 7, '2026-11-29T04:34:56.617236+00:00', 'action_recorded', 2, '{"agent":1,"call":{"server":"board","tool":"post","arguments":"{\"title\":\"runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},"kind":"action_recorded"}', 'c67743b277e2a4c4819d7900483bfb4c3aa80ff18f8d0123df10ee432839b8ed', '8f9027351e91b11c03c85bfb2126c257403d469c1f6361eea6307b294dcbe995');
INSERT INTO public.events VALUES ('7J528', 8, '2026-11-29T04:34:56.617236+00:00', 'action_recorded', 2, '{"agent":1,"call":{"server":"board","tool":"post","arguments":"{\"title\":\"again: runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},"kind":"action_recorded"}', '8f9027351e91b11c03c85bfb2126c257403d469c1f6361eea6307b294dcbe995', 'aec48eeda2b7d79a0da8a8cf6c25e626d4244d60ee7f34aa7b25fa8ef2fcb88e');
INSERT INTO public.events VALUES ('7J528', 9, '2026-11-29T04:34:56.617236+00:00', 'answer_accepted', 2, '{"agent":1,"number":1,"epoch":1,"text":"Two posts.","calls":[{"server":"board","tool":"post","arguments":"{\"title\":\"runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},{"server":"board","tool":"post","arguments":"{\"title\":\"again: runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""}],"kind":"answer_accepted"}', 'aec48eeda2b7d79a0da8a8cf6c25e626d4244d60ee7f34aa7b25fa8ef2fcb88e', '1600105bc911a33b613ffb692456288b890c83834b27821204eaeeec45fe1c1f');
INSERT INTO public.events VALUES ('7J528', 10, '2026-11-29T04:34:56.617236+00:00', 'plan_proposed', 2, '{"plan":{"tenant":"line:home","run":"7J528","revision":1,"author":"agent1.final","text":"Two posts.","calls":[{"server":"board","tool":"post","arguments":"{\"title\":\"runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},{"server":"board","tool":"post","arguments":"{\"title\":\"again: runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""}],"policy":{"roles":["ops"],"users":[],"required":1,"allow_requester":false,"expires_after":86400,"allow_author":false},"expires_at":"2026-11-30T04:34:56.568891Z"},"digest":"82bbb38229805cb763dcb69376aa133a3ac9609efcf2a169c0826b0be128aa09","election":{"winner":{"agent":1,"number":1,"epoch":1,"text":"Two posts.","calls":[{"server":"board","tool":"post","arguments":"{\"title\":\"runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},{"server":"board","tool":"post","arguments":"{\"title\":\"again: runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""}]},"votes":0,"voters":1,"ending":"alone"},"written_after_vote":false,"chosen_by":null,"kind":"plan_proposed"}', '1600105bc911a33b613ffb692456288b890c83834b27821204eaeeec45fe1c1f', '6889e9cfe4fe4beb3b7574aa6f95c3d01a5b6288e02b540d088b178c0bcfbbb6');
INSERT INTO public.events VALUES ('7J528', 11, '2026-11-29T04:34:57.040224+00:00', 'approval_given', 1, '{"by":{"tenant":"line:home","id":"alice","name":"alice","roles":["ops"],"is_admin":false},"digest":"82bbb38229805cb763dcb69376aa133a3ac9609efcf2a169c0826b0be128aa09","kind":"approval_given"}', '6889e9cfe4fe4beb3b7574aa6f95c3d01a5b6288e02b540d088b178c0bcfbbb6', 'adbacde3a1226e778bb98c2b74f08fcd1a188aadafa7f6b57ee8205b54f4b80b');
INSERT INTO public.events VALUES ('7J528', 12, '2026-11-29T04:34:57.262864+00:00', 'call_started', 1, '{"index":0,"server":"board","tool":"post","arguments":"{\"title\":\"runs\"}","digest":"82bbb38229805cb763dcb69376aa133a3ac9609efcf2a169c0826b0be128aa09","hand":"Y3Y8F","limit":180.0,"kind":"call_started"}', 'adbacde3a1226e778bb98c2b74f08fcd1a188aadafa7f6b57ee8205b54f4b80b', '9f9011681dd1efe5d1c2f03909e67a8563be818837316cc7439e0a2a023f8c98');
INSERT INTO public.events VALUES ('WC8F3', 1, '2026-11-29T04:34:57.353019+00:00', 'run_requested', 2, '{"tenant":"line:home","prompt":"reads","requester":{"tenant":"line:home","id":"rita","name":"rita","roles":[],"is_admin":false},"config":"ops","config_digest":"0f92613bb430aff7535892840e2af41e1876f9983fc726bd7df31dce74e22b88","agents":["one"],"history":[],"earlier_requesters":[],"earlier_shapers":[],"rules_version":3,"asked_in":"hall","kind":"run_requested"}', '0000000000000000000000000000000000000000000000000000000000000000', '13f7ba90dbc0fc565c1120db52a4b4109e69c61d18c6fec66b5f0ba6ba99c3dc');
INSERT INTO public.events VALUES ('WC8F3', 2, '2026-11-29T04:34:57.487067+00:00', 'deliberation_started', 1, '{"revision":1,"kind":"deliberation_started"}', '13f7ba90dbc0fc565c1120db52a4b4109e69c61d18c6fec66b5f0ba6ba99c3dc', 'cb81c208f7a51e476b7b88d73097b528632cb0a70b6ecd747e18d8306d0e4ebf');
INSERT INTO public.events VALUES ('WC8F3', 3, '2026-11-29T04:34:57.507119+00:00', 'turn_started', 1, '{"agent":1,"turn":1,"epoch":0,"kind":"turn_started"}', 'cb81c208f7a51e476b7b88d73097b528632cb0a70b6ecd747e18d8306d0e4ebf', 'c94e54b9f1589d5803a65f911e33e89baf9f63a0a5ced6d8d288da3a7841d1ce');
INSERT INTO public.events VALUES ('WC8F3', 4, '2026-11-29T04:34:57.537471+00:00', 'model_used', 1, '{"agent":1,"model":"scripted","input_tokens":0,"cached_tokens":0,"output_tokens":0,"cost":null,"is_estimated":false,"kind":"model_used"}', 'c94e54b9f1589d5803a65f911e33e89baf9f63a0a5ced6d8d288da3a7841d1ce', '0d2893c0b4d6821e4fd55373622d9653a94b873e8fdf18091519e762a7954a54');



INSERT INTO public.installation VALUES ('fits_from', '0007');
INSERT INTO public.installation VALUES ('fingerprints', '089024f8e01c2cde0c083f63fcbb32a83507999e0ea57cf9629958e699e7aef8');



INSERT INTO public.massgen_bot_version VALUES ('0007');









INSERT INTO public.runs VALUES ('WJ7TJ', 'line:home', 'awaiting_decision', 'waits', 'rita', 'ops', '2026-11-29T04:34:55.358573+00:00', '2026-11-29T04:34:55.745372+00:00', '2026-11-30T04:34:55.729371+00:00', 10, '4f654b96cae437acb6094e3012cff480fa5ca26a033ede359a3f471718d88f5a');
INSERT INTO public.runs VALUES ('7J528', 'line:home', 'executing', 'runs', 'rita', 'ops', '2026-11-29T04:34:56.245628+00:00', '2026-11-29T04:34:57.262864+00:00', NULL, 12, '9f9011681dd1efe5d1c2f03909e67a8563be818837316cc7439e0a2a023f8c98');
INSERT INTO public.runs VALUES ('WC8F3', 'line:home', 'deliberating', 'reads', 'rita', 'ops', '2026-11-29T04:34:57.353019+00:00', '2026-11-29T04:34:57.537471+00:00', NULL, 4, '0d2893c0b4d6821e4fd55373622d9653a94b873e8fdf18091519e762a7954a54');






INSERT INTO public.seen VALUES ('line:home', 'waits', 'WJ7TJ', '2026-11-29T04:34:55.296579+00:00');
INSERT INTO public.seen VALUES ('line:home', 'runs', '7J528', '2026-11-29T04:34:56.157242+00:00');
INSERT INTO public.seen VALUES ('line:home', 'press:press', '', '2026-11-29T04:34:56.910514+00:00');
INSERT INTO public.seen VALUES ('line:home', 'reads', 'WC8F3', '2026-11-29T04:34:57.303090+00:00');



INSERT INTO public.worker_slots VALUES ('keeper-line-1360311542', '47e1de01738d4f909f5d5c50031ce52a', 4, '2026-11-29 04:34:58.473417+00');
INSERT INTO public.worker_slots VALUES ('slot-0', 'e657038a4bd942f1ac1e78960c2c600c', 4, '2026-11-29 04:34:58.476287+00');



SELECT pg_catalog.setval('public.deeds_number_seq', 1, false);



ALTER TABLE ONLY dbos.application_versions
    ADD CONSTRAINT application_versions_pkey PRIMARY KEY (version_id);



ALTER TABLE ONLY dbos.application_versions
    ADD CONSTRAINT application_versions_version_name_key UNIQUE (version_name);



ALTER TABLE ONLY dbos.dbos_migrations
    ADD CONSTRAINT dbos_migrations_pkey PRIMARY KEY (version);



ALTER TABLE ONLY dbos.event_dispatch_kv
    ADD CONSTRAINT event_dispatch_kv_pkey PRIMARY KEY (service_name, workflow_fn_name, key);



ALTER TABLE ONLY dbos.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (message_uuid);



ALTER TABLE ONLY dbos.operation_outputs
    ADD CONSTRAINT operation_outputs_pkey PRIMARY KEY (workflow_uuid, function_id);



ALTER TABLE ONLY dbos.queues
    ADD CONSTRAINT queues_name_key UNIQUE (name);



ALTER TABLE ONLY dbos.queues
    ADD CONSTRAINT queues_pkey PRIMARY KEY (queue_id);



ALTER TABLE ONLY dbos.streams
    ADD CONSTRAINT streams_pkey PRIMARY KEY (workflow_uuid, key, "offset");



ALTER TABLE ONLY dbos.workflow_events_history
    ADD CONSTRAINT workflow_events_history_pkey PRIMARY KEY (workflow_uuid, function_id, key);



ALTER TABLE ONLY dbos.workflow_events
    ADD CONSTRAINT workflow_events_pkey PRIMARY KEY (workflow_uuid, key);



ALTER TABLE ONLY dbos.workflow_input
    ADD CONSTRAINT workflow_input_pkey PRIMARY KEY (workflow_uuid);



ALTER TABLE ONLY dbos.workflow_output
    ADD CONSTRAINT workflow_output_pkey PRIMARY KEY (workflow_uuid);



ALTER TABLE ONLY dbos.workflow_schedules
    ADD CONSTRAINT workflow_schedules_pkey PRIMARY KEY (schedule_id);



ALTER TABLE ONLY dbos.workflow_schedules
    ADD CONSTRAINT workflow_schedules_schedule_name_key UNIQUE (schedule_name);



ALTER TABLE ONLY dbos.workflow_status
    ADD CONSTRAINT workflow_status_pkey PRIMARY KEY (workflow_uuid);



ALTER TABLE ONLY public.buttons
    ADD CONSTRAINT buttons_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.cards
    ADD CONSTRAINT cards_pkey PRIMARY KEY (run);



ALTER TABLE ONLY public.configs
    ADD CONSTRAINT configs_pkey PRIMARY KEY (digest);



ALTER TABLE ONLY public.deeds
    ADD CONSTRAINT deeds_pkey PRIMARY KEY (number);



ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (run, seq);



ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (name);



ALTER TABLE ONLY public.massgen_bot_version
    ADD CONSTRAINT massgen_bot_version_pkc PRIMARY KEY (version_num);



ALTER TABLE ONLY public.outages
    ADD CONSTRAINT outages_pkey PRIMARY KEY (since, until);



ALTER TABLE ONLY public.read_lists
    ADD CONSTRAINT read_lists_pkey PRIMARY KEY (config, match, server);



ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (run);



ALTER TABLE ONLY public.scopes
    ADD CONSTRAINT scopes_pkey PRIMARY KEY (tenant, channel, key);



ALTER TABLE ONLY public.seen
    ADD CONSTRAINT seen_pkey PRIMARY KEY (tenant, event);



ALTER TABLE ONLY public.worker_slots
    ADD CONSTRAINT worker_slots_pkey PRIMARY KEY (name);



CREATE INDEX idx_application_versions_owner_timestamp ON dbos.application_versions USING btree (application_name, version_timestamp DESC);



CREATE INDEX idx_application_versions_timestamp ON dbos.application_versions USING btree (version_timestamp DESC);



CREATE INDEX idx_operation_outputs_completed_at_function_name_v2 ON dbos.operation_outputs USING btree (completed_at_epoch_ms, function_name) INCLUDE (application_name);



CREATE INDEX idx_operation_outputs_retention ON dbos.operation_outputs USING btree (retention_timestamp);



CREATE INDEX idx_workflow_input_retention ON dbos.workflow_input USING btree (retention_timestamp);



CREATE INDEX idx_workflow_output_retention ON dbos.workflow_output USING btree (retention_timestamp);



CREATE INDEX idx_workflow_status_attributes ON dbos.workflow_status USING gin (attributes) WHERE (attributes IS NOT NULL);



CREATE INDEX idx_workflow_status_completed_at ON dbos.workflow_status USING btree (completed_at) WHERE (completed_at IS NOT NULL);



CREATE INDEX idx_workflow_status_deadline ON dbos.workflow_status USING btree (workflow_deadline_epoch_ms) WHERE ((status = ANY (ARRAY['ENQUEUED'::text, 'PENDING'::text, 'DELAYED'::text])) AND (workflow_deadline_epoch_ms IS NOT NULL));



CREATE INDEX idx_workflow_status_delayed ON dbos.workflow_status USING btree (delay_until_epoch_ms) WHERE (status = 'DELAYED'::text);



CREATE INDEX idx_workflow_status_failed ON dbos.workflow_status USING btree (status, created_at) WHERE (status = ANY (ARRAY['ERROR'::text, 'CANCELLED'::text, 'MAX_RECOVERY_ATTEMPTS_EXCEEDED'::text]));



CREATE INDEX idx_workflow_status_forked_from ON dbos.workflow_status USING btree (forked_from) WHERE (forked_from IS NOT NULL);



CREATE INDEX idx_workflow_status_in_flight_v2 ON dbos.workflow_status USING btree (queue_name, status, priority, created_at) INCLUDE (application_name) WHERE (status = ANY (ARRAY['ENQUEUED'::text, 'PENDING'::text]));



CREATE INDEX idx_workflow_status_parent_workflow_id ON dbos.workflow_status USING btree (parent_workflow_id) WHERE (parent_workflow_id IS NOT NULL);



CREATE INDEX idx_workflow_status_partition_dequeue_v3 ON dbos.workflow_status USING btree (queue_name, status, queue_partition_key, priority, created_at, workflow_uuid) INCLUDE (application_name) WHERE ((status = ANY (ARRAY['ENQUEUED'::text, 'PENDING'::text])) AND (queue_partition_key IS NOT NULL));



CREATE INDEX idx_workflow_status_pending ON dbos.workflow_status USING btree (created_at) WHERE (status = 'PENDING'::text);



CREATE INDEX idx_workflow_status_rate_limited ON dbos.workflow_status USING btree (queue_name, started_at_epoch_ms) WHERE (rate_limited = true);



CREATE INDEX idx_workflow_status_schedule_name ON dbos.workflow_status USING btree (schedule_name) WHERE (schedule_name IS NOT NULL);



CREATE INDEX idx_workflow_status_started_at ON dbos.workflow_status USING btree (started_at_epoch_ms) WHERE (started_at_epoch_ms IS NOT NULL);



CREATE INDEX idx_workflow_topic ON dbos.notifications USING btree (destination_uuid, topic);



CREATE UNIQUE INDEX uq_application_versions_owner_version ON dbos.application_versions USING btree (application_name, version_name) WHERE (application_name IS NOT NULL);



CREATE UNIQUE INDEX uq_application_versions_unclaimed_version ON dbos.application_versions USING btree (version_name) WHERE (application_name IS NULL);



CREATE UNIQUE INDEX uq_workflow_status_dedup_id ON dbos.workflow_status USING btree (queue_name, deduplication_id) WHERE (deduplication_id IS NOT NULL);



CREATE INDEX workflow_status_created_at_index ON dbos.workflow_status USING btree (created_at);



CREATE INDEX buttons_by_run ON public.buttons USING btree (run, attempt);



CREATE INDEX cards_by_message ON public.cards USING btree (tenant, channel, message);



CREATE INDEX cards_by_requester ON public.cards USING btree (tenant, requester, asked_at);



CREATE INDEX cards_by_state ON public.cards USING btree (surface, state);



CREATE INDEX cards_by_story ON public.cards USING btree (tenant, channel, story);



CREATE INDEX cards_by_tenant ON public.cards USING btree (tenant, state, asked_at);



CREATE INDEX cards_to_wake ON public.cards USING btree (wake_at);



CREATE INDEX deeds_by_tenant ON public.deeds USING btree (tenant, number);



CREATE INDEX runs_by_expiry ON public.runs USING btree (expires_at);



CREATE INDEX runs_by_start ON public.runs USING btree (started_at);



CREATE INDEX runs_by_tenant ON public.runs USING btree (tenant, started_at);



CREATE INDEX runs_by_update ON public.runs USING btree (updated_at);



CREATE INDEX seen_by_time ON public.seen USING btree (at);



CREATE TRIGGER dbos_notifications_trigger AFTER INSERT ON dbos.notifications FOR EACH ROW EXECUTE FUNCTION dbos.notifications_function();



ALTER TABLE ONLY dbos.notifications
    ADD CONSTRAINT notifications_destination_uuid_fkey FOREIGN KEY (destination_uuid) REFERENCES dbos.workflow_status(workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE;



ALTER TABLE ONLY dbos.streams
    ADD CONSTRAINT streams_workflow_uuid_fkey FOREIGN KEY (workflow_uuid) REFERENCES dbos.workflow_status(workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE;



ALTER TABLE ONLY dbos.workflow_events_history
    ADD CONSTRAINT workflow_events_history_workflow_uuid_fkey FOREIGN KEY (workflow_uuid) REFERENCES dbos.workflow_status(workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE;



ALTER TABLE ONLY dbos.workflow_events
    ADD CONSTRAINT workflow_events_workflow_uuid_fkey FOREIGN KEY (workflow_uuid) REFERENCES dbos.workflow_status(workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE;




