-- drawn: m1 Decide | “waits” | asked by rita | 1. board.post(title=waits) | 2. board.post(title=again: waits) | agent1 was alone in the end, so its plan was not put to a vote. | Two posts. | Needs 1 of ops · not by the one who asked · until | run T3GFS · plan 4e89-22a7 · config ops · digest 4e8922a70ba02cdea6a28b2c34867396ac208c09f35128f9d254035bdb2139aa | <Approve 2 calls=0a0_Sc1PcMKkR2MPeBJuBA> | <Reject=ev0_2qURQoRoFK_sc6hb3A> | <Request changes=hU4XZxcwdmQFDbD4CF3G4g> | <Details=jIyKujptF54gHGgPm1So9Q>
-- drawn: m2 Running | “runs” | asked by rita | Approved by alice at . | 1. board.post(title=runs) running | 2. board.post(title=again: runs) | 0 of 2 calls · 0.9 s · run SGD4Z · plan 67d9-9634 · config ops | <Cancel=3WZ6YKrE3pYvo3YHLGl0hQ>
-- drawn: m3 Planning | “reads” | asked by rita | agent1 thinking | round 1 · 0.1 s · run BQCHH · config ops | <Cancel=pd0aIC1ezIDxsia8Sa26NA>
BEGIN TRANSACTION;
CREATE TABLE application_versions (
    version_id TEXT NOT NULL PRIMARY KEY,
    version_name TEXT NOT NULL UNIQUE,
    version_timestamp INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000),
    created_at INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000)
, "application_name" TEXT DEFAULT NULL);
INSERT INTO "application_versions" VALUES('a3fad6bb-1209-497d-8ba4-808929ce70d5','1',1795926863000,1795926863000,'massgen-bot');
CREATE TABLE buttons (
	id TEXT NOT NULL, 
	run TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	verb TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	call INTEGER, 
	value TEXT NOT NULL, 
	issued_at TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "buttons" VALUES('GK29_dpkQ6ZUM3mCJUsmtw','T3GFS','line:home',1,'cancel','',NULL,'','2026-11-29T04:34:23.681775+00:00');
INSERT INTO "buttons" VALUES('0a0_Sc1PcMKkR2MPeBJuBA','T3GFS','line:home',1,'approve','4e8922a70ba02cdea6a28b2c34867396ac208c09f35128f9d254035bdb2139aa',NULL,'','2026-11-29T04:34:24.185507+00:00');
INSERT INTO "buttons" VALUES('ev0_2qURQoRoFK_sc6hb3A','T3GFS','line:home',1,'reject','4e8922a70ba02cdea6a28b2c34867396ac208c09f35128f9d254035bdb2139aa',NULL,'','2026-11-29T04:34:24.185507+00:00');
INSERT INTO "buttons" VALUES('hU4XZxcwdmQFDbD4CF3G4g','T3GFS','line:home',1,'change','4e8922a70ba02cdea6a28b2c34867396ac208c09f35128f9d254035bdb2139aa',NULL,'','2026-11-29T04:34:24.185507+00:00');
INSERT INTO "buttons" VALUES('jIyKujptF54gHGgPm1So9Q','T3GFS','line:home',1,'details','4e8922a70ba02cdea6a28b2c34867396ac208c09f35128f9d254035bdb2139aa',NULL,'','2026-11-29T04:34:24.185507+00:00');
INSERT INTO "buttons" VALUES('3WZ6YKrE3pYvo3YHLGl0hQ','SGD4Z','line:home',1,'cancel','',NULL,'','2026-11-29T04:34:24.282437+00:00');
INSERT INTO "buttons" VALUES('kj43xHHWcO-dyCNvzLe49Q','SGD4Z','line:home',1,'approve','67d996340e962775c0602125b9ce5b689c51e9a9cec7f0f1506d70214e9dd95c',NULL,'','2026-11-29T04:34:24.827590+00:00');
INSERT INTO "buttons" VALUES('1Kh_CMTk3Vl2999LzuAyig','SGD4Z','line:home',1,'reject','67d996340e962775c0602125b9ce5b689c51e9a9cec7f0f1506d70214e9dd95c',NULL,'','2026-11-29T04:34:24.827590+00:00');
INSERT INTO "buttons" VALUES('gjh1aNXCYVCNDR-qhaNBMw','SGD4Z','line:home',1,'change','67d996340e962775c0602125b9ce5b689c51e9a9cec7f0f1506d70214e9dd95c',NULL,'','2026-11-29T04:34:24.827590+00:00');
INSERT INTO "buttons" VALUES('6BhIrZDNaMPukmtAzmvl4w','SGD4Z','line:home',1,'details','67d996340e962775c0602125b9ce5b689c51e9a9cec7f0f1506d70214e9dd95c',NULL,'','2026-11-29T04:34:24.827590+00:00');
INSERT INTO "buttons" VALUES('pd0aIC1ezIDxsia8Sa26NA','BQCHH','line:home',1,'cancel','',NULL,'','2026-11-29T04:34:25.300971+00:00');
CREATE TABLE cards (
	run TEXT NOT NULL, 
	surface TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	thread TEXT NOT NULL, 
	requester TEXT NOT NULL, 
	requester_name TEXT NOT NULL, 
	asked_at TEXT NOT NULL, 
	state TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	message TEXT NOT NULL, 
	posted_at TEXT, 
	shown TEXT NOT NULL, 
	story TEXT NOT NULL, 
	told INTEGER NOT NULL, 
	reminded TEXT NOT NULL, 
	is_outcome_told BOOLEAN NOT NULL, 
	is_trouble_told BOOLEAN NOT NULL, 
	stale TEXT NOT NULL, 
	wake_at TEXT, language TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (run)
);
INSERT INTO "cards" VALUES('T3GFS','line','line:home','hall','','rita','rita','2026-11-29T04:34:23.596882+00:00','live',1,'m1','2026-11-29T04:34:23.743046+00:00','55dc866ea1b736afa99ca0907be5c68b7a33e409fabca7a56e421e2caf29de7e','',10,'4e89-22a7:new',0,0,'[]','2026-11-29T16:34:23.920400+00:00','');
INSERT INTO "cards" VALUES('SGD4Z','line','line:home','hall','','rita','rita','2026-11-29T04:34:24.211098+00:00','live',1,'m2','2026-11-29T04:34:24.331461+00:00','fa569988a31420da424daca34c3a64962f289ece6ff07169733978e3c4c37972','',12,'67d9-9634:new',0,0,'[]',NULL,'');
INSERT INTO "cards" VALUES('BQCHH','line','line:home','hall','','rita','rita','2026-11-29T04:34:25.186330+00:00','live',1,'m3','2026-11-29T04:34:25.321921+00:00','0f68b72ce06d16aa584259c2c7fff5e4294ec2b55a624448970d63338ca53d8f','',4,'',0,0,'[]',NULL,'');
CREATE TABLE configs (
	digest TEXT NOT NULL, 
	text TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	saved_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL, 
	PRIMARY KEY (digest)
);
INSERT INTO "configs" VALUES('d121ec7ac12f97639821f5a1d87c43ae1c4cea37c05bec6757460679a09cae8f','
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
','/tmp/tmp39v1t2d1/configs/ops.yaml','2026-11-29 04:34:23');
CREATE TABLE dbos_migrations (version INTEGER NOT NULL PRIMARY KEY);
INSERT INTO "dbos_migrations" VALUES(125);
CREATE TABLE deeds (
	number INTEGER NOT NULL, 
	tenant TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	by_name TEXT NOT NULL, 
	at TEXT NOT NULL, 
	what TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (number)
);
CREATE TABLE events (
	run TEXT NOT NULL, 
	seq INTEGER NOT NULL, 
	at TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	v INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	prev TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	PRIMARY KEY (run, seq)
);
INSERT INTO "events" VALUES('T3GFS',1,'2026-11-29T04:34:23.640910+00:00','run_requested',2,'{"tenant":"line:home","prompt":"waits","requester":{"tenant":"line:home","id":"rita","name":"rita","roles":[],"is_admin":false},"config":"ops","config_digest":"d121ec7ac12f97639821f5a1d87c43ae1c4cea37c05bec6757460679a09cae8f","agents":["one"],"history":[],"earlier_requesters":[],"earlier_shapers":[],"rules_version":3,"asked_in":"hall","kind":"run_requested"}','0000000000000000000000000000000000000000000000000000000000000000','e2b82669511f7e7d91e400c792fcf76fedd05189a7a20f063516bb3ab0810147');
INSERT INTO "events" VALUES('T3GFS',2,'2026-11-29T04:34:23.744439+00:00','deliberation_started',1,'{"revision":1,"kind":"deliberation_started"}','e2b82669511f7e7d91e400c792fcf76fedd05189a7a20f063516bb3ab0810147','77e42cba4e1e5f7cd20f7fd34e2bd038c593a1a507137b53130ea169d733086c');
INSERT INTO "events" VALUES('T3GFS',3,'2026-11-29T04:34:23.902342+00:00','turn_started',1,'{"agent":1,"turn":1,"epoch":0,"kind":"turn_started"}','77e42cba4e1e5f7cd20f7fd34e2bd038c593a1a507137b53130ea169d733086c','3f383ae5935d65b5c4438f63d14cf7a6c7b4084023ed824a3218cbfed27448bd');
INSERT INTO "events" VALUES('T3GFS',4,'2026-11-29T04:34:23.935802+00:00','model_used',1,'{"agent":1,"model":"scripted","input_tokens":0,"cached_tokens":0,"output_tokens":0,"cost":null,"is_estimated":false,"kind":"model_used"}','3f383ae5935d65b5c4438f63d14cf7a6c7b4084023ed824a3218cbfed27448bd','cedf17e4f35116e50d0e102c7c554ad11bf4fd1f80293ba28f946dd4ffcd3560');
INSERT INTO "events" VALUES('T3GFS',5,'2026-11-29T04:34:23.935802+00:00','tool_read',2,'{"agent":1,"server":"board","tool":"look","arguments":"{\"title\":\"all\"}","excerpt":"look says so","is_error":false,"doubtful_rule":"","kind":"tool_read"}','cedf17e4f35116e50d0e102c7c554ad11bf4fd1f80293ba28f946dd4ffcd3560','9d1de11b088d2959a3ff67c740136c51521df5a57747cf4bbf194857be4be13d');
INSERT INTO "events" VALUES('T3GFS',6,'2026-11-29T04:34:23.935802+00:00','model_used',1,'{"agent":1,"model":"scripted","input_tokens":0,"cached_tokens":0,"output_tokens":0,"cost":null,"is_estimated":false,"kind":"model_used"}','9d1de11b088d2959a3ff67c740136c51521df5a57747cf4bbf194857be4be13d','cb3ac1204b55b0781035253053488c50d3b556f8133bfd1658f262266b7035a0');
INSERT INTO "events" VALUES('T3GFS',7,'2026-11-29T04:34:23.935802+00:00','action_recorded',2,'{"agent":1,"call":{"server":"board","tool":"post","arguments":"{\"title\":\"waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},"kind":"action_recorded"}','cb3ac1204b55b0781035253053488c50d3b556f8133bfd1658f262266b7035a0','19cc687bd4ce91a8516fddb61b93b807093c2ede9cb3db1d59a8bc3a0e6f8b2c');
INSERT INTO "events" VALUES('T3GFS',8,'2026-11-29T04:34:23.935802+00:00','action_recorded',2,'{"agent":1,"call":{"server":"board","tool":"post","arguments":"{\"title\":\"again: waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},"kind":"action_recorded"}','19cc687bd4ce91a8516fddb61b93b807093c2ede9cb3db1d59a8bc3a0e6f8b2c','ffc4aef748d4bf2d3be0154296334b883a84bba4246e67a6cb68e98c398ce99c');
INSERT INTO "events" VALUES('T3GFS',9,'2026-11-29T04:34:23.935802+00:00','answer_accepted',2,'{"agent":1,"number":1,"epoch":1,"text":"Two posts.","calls":[{"server":"board","tool":"post","arguments":"{\"title\":\"waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},{"server":"board","tool":"post","arguments":"{\"title\":\"again: waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""}],"kind":"answer_accepted"}','ffc4aef748d4bf2d3be0154296334b883a84bba4246e67a6cb68e98c398ce99c','963bfde6fc4141f63517afaecca271ea8c9d1379a76a42f7c2cbbde446250c31');
INSERT INTO "events" VALUES('T3GFS',10,'2026-11-29T04:34:23.935802+00:00','plan_proposed',2,'{"plan":{"tenant":"line:home","run":"T3GFS","revision":1,"author":"agent1.final","text":"Two posts.","calls":[{"server":"board","tool":"post","arguments":"{\"title\":\"waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},{"server":"board","tool":"post","arguments":"{\"title\":\"again: waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""}],"policy":{"roles":["ops"],"users":[],"required":1,"allow_requester":false,"expires_after":86400,"allow_author":false},"expires_at":"2026-11-30T04:34:23.920400Z"},"digest":"4e8922a70ba02cdea6a28b2c34867396ac208c09f35128f9d254035bdb2139aa","election":{"winner":{"agent":1,"number":1,"epoch":1,"text":"Two posts.","calls":[{"server":"board","tool":"post","arguments":"{\"title\":\"waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},{"server":"board","tool":"post","arguments":"{\"title\":\"again: waits\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""}]},"votes":0,"voters":1,"ending":"alone"},"written_after_vote":false,"chosen_by":null,"kind":"plan_proposed"}','963bfde6fc4141f63517afaecca271ea8c9d1379a76a42f7c2cbbde446250c31','e3d5c7585fc365bc06bfa7b847ebbe1de7308ed87404e87814795dddaf219982');
INSERT INTO "events" VALUES('SGD4Z',1,'2026-11-29T04:34:24.250718+00:00','run_requested',2,'{"tenant":"line:home","prompt":"runs","requester":{"tenant":"line:home","id":"rita","name":"rita","roles":[],"is_admin":false},"config":"ops","config_digest":"d121ec7ac12f97639821f5a1d87c43ae1c4cea37c05bec6757460679a09cae8f","agents":["one"],"history":[],"earlier_requesters":[],"earlier_shapers":[],"rules_version":3,"asked_in":"hall","kind":"run_requested"}','0000000000000000000000000000000000000000000000000000000000000000','f4f1037b0214b139dfee7866c5a601becff6367d709da8aa3fcc7cb4ee208088');
INSERT INTO "events" VALUES('SGD4Z',2,'2026-11-29T04:34:24.307128+00:00','deliberation_started',1,'{"revision":1,"kind":"deliberation_started"}','f4f1037b0214b139dfee7866c5a601becff6367d709da8aa3fcc7cb4ee208088','9a719c7c68f02c2104709620ffed40e49bb2401f0cb898bf55e18d657ef6d0ca');
INSERT INTO "events" VALUES('SGD4Z',3,'2026-11-29T04:34:24.326013+00:00','turn_started',1,'{"agent":1,"turn":1,"epoch":0,"kind":"turn_started"}','9a719c7c68f02c2104709620ffed40e49bb2401f0cb898bf55e18d657ef6d0ca','9410bead8a2a19681d83aff080086121086a49e13906f66c32d8df8b378d7fb6');
INSERT INTO "events" VALUES('SGD4Z',4,'2026-11-29T04:34:24.360889+00:00','model_used',1,'{"agent":1,"model":"scripted","input_tokens":0,"cached_tokens":0,"output_tokens":0,"cost":null,"is_estimated":false,"kind":"model_used"}','9410bead8a2a19681d83aff080086121086a49e13906f66c32d8df8b378d7fb6','53db6c8d44ae5b0bff4c893a6e4ab11e6a2eb70b76f7e84abc7867fb74afbd0f');
INSERT INTO "events" VALUES('SGD4Z',5,'2026-11-29T04:34:24.360889+00:00','tool_read',2,'{"agent":1,"server":"board","tool":"look","arguments":"{\"title\":\"all\"}","excerpt":"look says so","is_error":false,"doubtful_rule":"","kind":"tool_read"}','53db6c8d44ae5b0bff4c893a6e4ab11e6a2eb70b76f7e84abc7867fb74afbd0f','5c417e68ba2282283bae6eafceb5cdb39e52ad7cf297afa454b2c9bd5f3a6762');
INSERT INTO "events" VALUES('SGD4Z',6,'2026-11-29T04:34:24.360889+00:00','model_used',1,'{"agent":1,"model":"scripted","input_tokens":0,"cached_tokens":0,"output_tokens":0,"cost":null,"is_estimated":false,"kind":"model_used"}','5c417e68ba2282283bae6eafceb5cdb39e52ad7cf297afa454b2c9bd5f3a6762','ad18a2030fe79c5d58b22806d56080089b70e998e51aae54554987b78b7bbb7f');
INSERT INTO "events" VALUES('SGD4Z',7,'2026-11-29T04:34:24.360889+00:00','action_recorded',2,'{"agent":1,"call":{"server":"board","tool":"post","arguments":"{\"title\":\"runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},"kind":"action_recorded"}','ad18a2030fe79c5d58b22806d56080089b70e998e51aae54554987b78b7bbb7f','698025358998b90219afc91caf2c0ff6e2411226cc7198055bdcbf93efb27ed8');
INSERT INTO "events" VALUES('SGD4Z',8,'2026-11-29T04:34:24.360889+00:00','action_recorded',2,'{"agent":1,"call":{"server":"board","tool":"post","arguments":"{\"title\":\"again: runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},"kind":"action_recorded"}','698025358998b90219afc91caf2c0ff6e2411226cc7198055bdcbf93efb27ed8','cbe0edb85a1d34121f32cc6615989e89daf6523abef1d0ddf1fd55da91acec2f');
INSERT INTO "events" VALUES('SGD4Z',9,'2026-11-29T04:34:24.360889+00:00','answer_accepted',2,'{"agent":1,"number":1,"epoch":1,"text":"Two posts.","calls":[{"server":"board","tool":"post","arguments":"{\"title\":\"runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},{"server":"board","tool":"post","arguments":"{\"title\":\"again: runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""}],"kind":"answer_accepted"}','cbe0edb85a1d34121f32cc6615989e89daf6523abef1d0ddf1fd55da91acec2f','df23a5daf91d8897b65a35b6cf2e06570a409af60270713ae91aa69bfef4d9ab');
INSERT INTO "events" VALUES('SGD4Z',10,'2026-11-29T04:34:24.360889+00:00','plan_proposed',2,'{"plan":{"tenant":"line:home","run":"SGD4Z","revision":1,"author":"agent1.final","text":"Two posts.","calls":[{"server":"board","tool":"post","arguments":"{\"title\":\"runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},{"server":"board","tool":"post","arguments":"{\"title\":\"again: runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""}],"policy":{"roles":["ops"],"users":[],"required":1,"allow_requester":false,"expires_after":86400,"allow_author":false},"expires_at":"2026-11-30T04:34:24.327916Z"},"digest":"67d996340e962775c0602125b9ce5b689c51e9a9cec7f0f1506d70214e9dd95c","election":{"winner":{"agent":1,"number":1,"epoch":1,"text":"Two posts.","calls":[{"server":"board","tool":"post","arguments":"{\"title\":\"runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""},{"server":"board","tool":"post","arguments":"{\"title\":\"again: runs\"}","definition":"definition-of-post","is_automatic":false,"is_destructive":false,"settings":"","target":""}]},"votes":0,"voters":1,"ending":"alone"},"written_after_vote":false,"chosen_by":null,"kind":"plan_proposed"}','df23a5daf91d8897b65a35b6cf2e06570a409af60270713ae91aa69bfef4d9ab','0b7a786e832c5b167060fddc4b5d13bab1851a4bf29d6b63a5bacb7c66e0d02f');
INSERT INTO "events" VALUES('SGD4Z',11,'2026-11-29T04:34:25.045983+00:00','approval_given',1,'{"by":{"tenant":"line:home","id":"alice","name":"alice","roles":["ops"],"is_admin":false},"digest":"67d996340e962775c0602125b9ce5b689c51e9a9cec7f0f1506d70214e9dd95c","kind":"approval_given"}','0b7a786e832c5b167060fddc4b5d13bab1851a4bf29d6b63a5bacb7c66e0d02f','500d915bab9b1dd672242301728830b17886419fc17ee3701ad56da68235f05b');
INSERT INTO "events" VALUES('SGD4Z',12,'2026-11-29T04:34:25.167574+00:00','call_started',1,'{"index":0,"server":"board","tool":"post","arguments":"{\"title\":\"runs\"}","digest":"67d996340e962775c0602125b9ce5b689c51e9a9cec7f0f1506d70214e9dd95c","hand":"NYS4R","limit":180.0,"kind":"call_started"}','500d915bab9b1dd672242301728830b17886419fc17ee3701ad56da68235f05b','5505d66325cce696b731c515505dc47b51fc72bef1a052e7f187ac0adb361bbf');
INSERT INTO "events" VALUES('BQCHH',1,'2026-11-29T04:34:25.208393+00:00','run_requested',2,'{"tenant":"line:home","prompt":"reads","requester":{"tenant":"line:home","id":"rita","name":"rita","roles":[],"is_admin":false},"config":"ops","config_digest":"d121ec7ac12f97639821f5a1d87c43ae1c4cea37c05bec6757460679a09cae8f","agents":["one"],"history":[],"earlier_requesters":[],"earlier_shapers":[],"rules_version":3,"asked_in":"hall","kind":"run_requested"}','0000000000000000000000000000000000000000000000000000000000000000','2ce380005e549af5841f5d84cdfc3c1bace7365e662ddee75c3c2435db060744');
INSERT INTO "events" VALUES('BQCHH',2,'2026-11-29T04:34:25.245234+00:00','deliberation_started',1,'{"revision":1,"kind":"deliberation_started"}','2ce380005e549af5841f5d84cdfc3c1bace7365e662ddee75c3c2435db060744','c9cc91c2387950c4a4c1c98e22f19f0a09a5d049095883f915b5379f61b90434');
INSERT INTO "events" VALUES('BQCHH',3,'2026-11-29T04:34:25.312558+00:00','turn_started',1,'{"agent":1,"turn":1,"epoch":0,"kind":"turn_started"}','c9cc91c2387950c4a4c1c98e22f19f0a09a5d049095883f915b5379f61b90434','90a121cad2df824c5a9d1192a7fe0351dc7d945f74e29c669b17d4df67cee437');
INSERT INTO "events" VALUES('BQCHH',4,'2026-11-29T04:34:25.319604+00:00','model_used',1,'{"agent":1,"model":"scripted","input_tokens":0,"cached_tokens":0,"output_tokens":0,"cost":null,"is_estimated":false,"kind":"model_used"}','90a121cad2df824c5a9d1192a7fe0351dc7d945f74e29c669b17d4df67cee437','67d69df48117e70fab045af21c08299f62704902d8b92e7e3c3339f2072db371');
CREATE TABLE installation (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "installation" VALUES('fits_from','0007');
INSERT INTO "installation" VALUES('fingerprints','7c96de3dbb0498432a44ec688b42eacd877883d0d5f5b68406e4159abb3da62b');
CREATE TABLE massgen_bot_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT massgen_bot_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "massgen_bot_version" VALUES('0007');
CREATE TABLE notifications (
    message_uuid TEXT NOT NULL DEFAULT (hex(randomblob(16))) PRIMARY KEY,
    destination_uuid TEXT NOT NULL,
    topic TEXT,
    message TEXT NOT NULL,
    created_at_epoch_ms INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000), "serialization" TEXT DEFAULT NULL, "consumed" BOOLEAN NOT NULL DEFAULT FALSE, consumed_by_function_id INTEGER,
    FOREIGN KEY (destination_uuid) REFERENCES workflow_status(workflow_uuid) 
        ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE TABLE "operation_outputs" (
    workflow_uuid TEXT NOT NULL,
    function_id INTEGER NOT NULL,
    function_name TEXT NOT NULL DEFAULT '',
    output TEXT,
    error TEXT,
    child_workflow_id TEXT,
    started_at_epoch_ms INTEGER,
    completed_at_epoch_ms INTEGER,
    serialization TEXT,
    application_name TEXT DEFAULT NULL,
    retention_timestamp INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000),
    PRIMARY KEY (workflow_uuid, function_id)
);
CREATE TABLE outages (
	since DATETIME NOT NULL, 
	until DATETIME NOT NULL, 
	PRIMARY KEY (since, until)
);
CREATE TABLE queues (
    queue_id TEXT PRIMARY KEY DEFAULT (hex(randomblob(16))),
    name TEXT NOT NULL UNIQUE,
    concurrency INTEGER,
    worker_concurrency INTEGER,
    rate_limit_max INTEGER,
    rate_limit_period_sec REAL,
    priority_enabled BOOLEAN NOT NULL DEFAULT FALSE,
    partition_queue BOOLEAN NOT NULL DEFAULT FALSE,
    polling_interval_sec REAL NOT NULL DEFAULT 1.0,
    created_at INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000),
    updated_at INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000)
, "application_name" TEXT DEFAULT NULL, "partition_concurrency" INTEGER DEFAULT NULL, "partition_worker_concurrency" INTEGER DEFAULT NULL, "partition_rate_limit_max" INTEGER DEFAULT NULL, "partition_rate_limit_period_sec" REAL DEFAULT NULL);
INSERT INTO "queues" VALUES('320D1F674B17D2C9A8ECD15A7AD4955F','deliberate',NULL,128,NULL,NULL,1,1,1.0,1795926863000,1795926863324,'massgen-bot',NULL,96,NULL,NULL);
INSERT INTO "queues" VALUES('A4A69F9C5650423775D4397C4F30B9F0','execute',NULL,32,NULL,NULL,1,1,1.0,1795926863000,1795926863349,'massgen-bot',NULL,24,NULL,NULL);
CREATE TABLE read_lists (
	config TEXT NOT NULL, 
	"match" TEXT NOT NULL, 
	server TEXT NOT NULL, 
	tools TEXT NOT NULL, 
	PRIMARY KEY (config, "match", server)
);
CREATE TABLE runs (
	run TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	state TEXT NOT NULL, 
	prompt TEXT NOT NULL, 
	requester TEXT NOT NULL, 
	config TEXT NOT NULL, 
	started_at TEXT NOT NULL, 
	updated_at TEXT NOT NULL, 
	expires_at TEXT, 
	seq INTEGER NOT NULL, 
	head TEXT NOT NULL, 
	PRIMARY KEY (run)
);
INSERT INTO "runs" VALUES('T3GFS','line:home','awaiting_decision','waits','rita','ops','2026-11-29T04:34:23.640910+00:00','2026-11-29T04:34:23.935802+00:00','2026-11-30T04:34:23.920400+00:00',10,'e3d5c7585fc365bc06bfa7b847ebbe1de7308ed87404e87814795dddaf219982');
INSERT INTO "runs" VALUES('SGD4Z','line:home','executing','runs','rita','ops','2026-11-29T04:34:24.250718+00:00','2026-11-29T04:34:25.167574+00:00',NULL,12,'5505d66325cce696b731c515505dc47b51fc72bef1a052e7f187ac0adb361bbf');
INSERT INTO "runs" VALUES('BQCHH','line:home','deliberating','reads','rita','ops','2026-11-29T04:34:25.208393+00:00','2026-11-29T04:34:25.319604+00:00',NULL,4,'67d69df48117e70fab045af21c08299f62704902d8b92e7e3c3339f2072db371');
CREATE TABLE scopes (
	tenant TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	by_name TEXT NOT NULL, 
	at TEXT NOT NULL, 
	PRIMARY KEY (tenant, channel, "key")
);
CREATE TABLE seen (
	tenant TEXT NOT NULL, 
	event TEXT NOT NULL, 
	run TEXT NOT NULL, 
	at TEXT NOT NULL, 
	PRIMARY KEY (tenant, event)
);
INSERT INTO "seen" VALUES('line:home','waits','T3GFS','2026-11-29T04:34:23.596882+00:00');
INSERT INTO "seen" VALUES('line:home','runs','SGD4Z','2026-11-29T04:34:24.211098+00:00');
INSERT INTO "seen" VALUES('line:home','press:press','','2026-11-29T04:34:24.940541+00:00');
INSERT INTO "seen" VALUES('line:home','reads','BQCHH','2026-11-29T04:34:25.186330+00:00');
CREATE TABLE streams (
    workflow_uuid TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    "offset" INTEGER NOT NULL, function_id INTEGER NOT NULL DEFAULT 0, "serialization" TEXT DEFAULT NULL,
    PRIMARY KEY (workflow_uuid, key, "offset"),
    FOREIGN KEY (workflow_uuid) REFERENCES workflow_status(workflow_uuid) 
        ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE TABLE worker_slots (
	name TEXT NOT NULL, 
	holder TEXT NOT NULL, 
	beat INTEGER NOT NULL, beat_at DATETIME, 
	PRIMARY KEY (name)
);
INSERT INTO "worker_slots" VALUES('keeper-line-1360311542','fccb567b6b184f6eb02f0475113fc9f8',3,'2026-11-29 04:34:26');
INSERT INTO "worker_slots" VALUES('slot-0','bf091213771b405c80647a8e79d277b9',3,'2026-11-29 04:34:25');
CREATE TABLE workflow_events (
    workflow_uuid TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL, "serialization" TEXT DEFAULT NULL,
    PRIMARY KEY (workflow_uuid, key),
    FOREIGN KEY (workflow_uuid) REFERENCES workflow_status(workflow_uuid) 
        ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE TABLE workflow_events_history (
    workflow_uuid TEXT NOT NULL,
    function_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL, "serialization" TEXT DEFAULT NULL,
    PRIMARY KEY (workflow_uuid, function_id, key),
    FOREIGN KEY (workflow_uuid) REFERENCES workflow_status(workflow_uuid)
        ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE TABLE workflow_input (
    workflow_uuid TEXT NOT NULL PRIMARY KEY,
    inputs TEXT,
    retention_timestamp INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000)
);
INSERT INTO "workflow_input" VALUES('run-T3GFS-1','{"namedArgs":{},"positionalArgs":["T3GFS","line:home",1,1]}',1795926863000);
INSERT INTO "workflow_input" VALUES('run-SGD4Z-1','{"namedArgs":{},"positionalArgs":["SGD4Z","line:home",1,1]}',1795926864000);
INSERT INTO "workflow_input" VALUES('exec-SGD4Z-1-1','{"namedArgs":{},"positionalArgs":["SGD4Z","line:home",1,1]}',1795926865000);
INSERT INTO "workflow_input" VALUES('run-BQCHH-1','{"namedArgs":{},"positionalArgs":["BQCHH","line:home",1,1]}',1795926865000);
CREATE TABLE workflow_output (
    workflow_uuid TEXT NOT NULL PRIMARY KEY,
    output TEXT,
    error TEXT,
    retention_timestamp INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000)
);
INSERT INTO "workflow_output" VALUES('run-T3GFS-1','null',NULL,1795926863000);
INSERT INTO "workflow_output" VALUES('run-SGD4Z-1','null',NULL,1795926864000);
CREATE TABLE workflow_schedules (
    schedule_id TEXT PRIMARY KEY,
    schedule_name TEXT NOT NULL UNIQUE,
    workflow_name TEXT NOT NULL,
    workflow_class_name TEXT,
    schedule TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'ACTIVE',
    context TEXT NOT NULL
, "last_fired_at" TEXT DEFAULT NULL, "automatic_backfill" BOOLEAN NOT NULL DEFAULT FALSE, "cron_timezone" TEXT DEFAULT NULL, "queue_name" TEXT DEFAULT NULL, "application_name" TEXT DEFAULT NULL);
CREATE TABLE workflow_status (
    workflow_uuid TEXT PRIMARY KEY,
    status TEXT,
    name TEXT,
    authenticated_user TEXT,
    assumed_role TEXT,
    authenticated_roles TEXT,
    request TEXT,
    output TEXT,
    error TEXT,
    executor_id TEXT,
    created_at INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000),
    updated_at INTEGER NOT NULL DEFAULT (strftime('%s','now') * 1000),
    application_version TEXT,
    application_id TEXT,
    class_name TEXT DEFAULT NULL,
    config_name TEXT DEFAULT NULL,
    recovery_attempts INTEGER DEFAULT 0,
    queue_name TEXT,
    workflow_timeout_ms INTEGER,
    workflow_deadline_epoch_ms INTEGER,
    inputs TEXT,
    started_at_epoch_ms INTEGER,
    deduplication_id TEXT,
    priority INTEGER NOT NULL DEFAULT 0
, queue_partition_key TEXT, forked_from TEXT, "owner_xid" TEXT DEFAULT NULL, "parent_workflow_id" TEXT DEFAULT NULL, "serialization" TEXT DEFAULT NULL, "delay_until_epoch_ms" BIGINT DEFAULT NULL, "was_forked_from" BOOLEAN NOT NULL DEFAULT FALSE, "rate_limited" BOOLEAN NOT NULL DEFAULT FALSE, "completed_at" BIGINT, "attributes" TEXT, "schedule_name" TEXT, "debounce_deadline_epoch_ms" BIGINT DEFAULT NULL, "is_debounced" BOOLEAN NOT NULL DEFAULT FALSE, "application_name" TEXT DEFAULT NULL, "creator_xid" TEXT DEFAULT NULL);
INSERT INTO "workflow_status" VALUES('run-T3GFS-1','SUCCESS','deliberate_v1',NULL,NULL,NULL,NULL,NULL,NULL,'slot-0',1795926863000,1795926863000,'1',NULL,NULL,NULL,1,'deliberate',NULL,NULL,NULL,1795926863000,NULL,0,'line:home',NULL,NULL,NULL,'portable_json',NULL,0,0,1795926863000,'null',NULL,NULL,0,'massgen-bot','e9870584-cf8b-4459-bccc-fb5f3b0c2200');
INSERT INTO "workflow_status" VALUES('run-SGD4Z-1','SUCCESS','deliberate_v1',NULL,NULL,NULL,NULL,NULL,NULL,'slot-0',1795926864000,1795926864000,'1',NULL,NULL,NULL,1,'deliberate',NULL,NULL,NULL,1795926864000,NULL,0,'line:home',NULL,NULL,NULL,'portable_json',NULL,0,0,1795926864000,'null',NULL,NULL,0,'massgen-bot','bc52b92f-f7f0-46ab-a7a6-0fb6a9348a87');
INSERT INTO "workflow_status" VALUES('exec-SGD4Z-1-1','PENDING','execute_v1',NULL,NULL,NULL,NULL,NULL,NULL,'slot-0',1795926865000,1795926865000,'1',NULL,NULL,NULL,1,'execute',NULL,NULL,NULL,1795926865000,NULL,0,'line:home',NULL,'411c7fac-4421-48f1-875d-145ef87c800d',NULL,'portable_json',NULL,0,0,NULL,'null',NULL,NULL,0,'massgen-bot','6f58b8b0-3da4-4c9b-821d-0a3bdafc4738');
INSERT INTO "workflow_status" VALUES('run-BQCHH-1','PENDING','deliberate_v1',NULL,NULL,NULL,NULL,NULL,NULL,'slot-0',1795926865000,1795926865000,'1',NULL,NULL,NULL,1,'deliberate',NULL,NULL,NULL,1795926865000,NULL,0,'line:home',NULL,'c02860e4-b58f-49e5-9ee6-acbe74164f44',NULL,'portable_json',NULL,0,0,NULL,'null',NULL,NULL,0,'massgen-bot','d468d47f-aac2-4883-8c40-2c67137898ab');
CREATE INDEX runs_by_start ON runs (started_at);
CREATE INDEX runs_by_tenant ON runs (tenant, started_at);
CREATE INDEX runs_by_expiry ON runs (expires_at);
CREATE INDEX cards_by_state ON cards (surface, state);
CREATE INDEX cards_by_tenant ON cards (tenant, state, asked_at);
CREATE INDEX cards_by_requester ON cards (tenant, requester, asked_at);
CREATE INDEX cards_by_message ON cards (tenant, channel, message);
CREATE INDEX cards_by_story ON cards (tenant, channel, story);
CREATE INDEX cards_to_wake ON cards (wake_at);
CREATE INDEX buttons_by_run ON buttons (run, attempt);
CREATE INDEX seen_by_time ON seen (at);
CREATE INDEX deeds_by_tenant ON deeds (tenant, number);
CREATE INDEX runs_by_update ON runs (updated_at);
CREATE INDEX workflow_status_created_at_index ON workflow_status (created_at);
CREATE INDEX idx_workflow_topic ON notifications (destination_uuid, topic);
CREATE INDEX "idx_workflow_status_delayed" ON "workflow_status" ("delay_until_epoch_ms") WHERE status = 'DELAYED';
CREATE INDEX "idx_workflow_status_forked_from" ON "workflow_status" ("forked_from") WHERE "forked_from" IS NOT NULL;
CREATE INDEX "idx_workflow_status_parent_workflow_id" ON "workflow_status" ("parent_workflow_id") WHERE "parent_workflow_id" IS NOT NULL;
CREATE UNIQUE INDEX "uq_workflow_status_dedup_id" ON "workflow_status" ("queue_name", "deduplication_id") WHERE "deduplication_id" IS NOT NULL;
CREATE INDEX "idx_workflow_status_pending" ON "workflow_status" ("created_at") WHERE "status" = 'PENDING';
CREATE INDEX "idx_workflow_status_failed" ON "workflow_status" ("status", "created_at") WHERE "status" IN ('ERROR', 'CANCELLED', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED');
CREATE INDEX "idx_workflow_status_rate_limited" ON "workflow_status" ("queue_name", "started_at_epoch_ms") WHERE "rate_limited" = TRUE;
CREATE INDEX "idx_workflow_status_completed_at" ON "workflow_status" ("completed_at") WHERE "completed_at" IS NOT NULL;
CREATE INDEX "idx_workflow_status_started_at" ON "workflow_status" ("started_at_epoch_ms") WHERE "started_at_epoch_ms" IS NOT NULL;
CREATE INDEX "idx_workflow_status_schedule_name" ON "workflow_status" ("schedule_name") WHERE "schedule_name" IS NOT NULL;
CREATE UNIQUE INDEX "uq_application_versions_owner_version"
    ON application_versions ("application_name", "version_name")
    WHERE "application_name" IS NOT NULL;
CREATE UNIQUE INDEX "uq_application_versions_unclaimed_version"
    ON application_versions ("version_name")
    WHERE "application_name" IS NULL;
CREATE INDEX idx_workflow_input_retention
    ON workflow_input (retention_timestamp);
CREATE INDEX idx_workflow_output_retention
    ON workflow_output (retention_timestamp);
CREATE INDEX idx_operation_outputs_retention
    ON operation_outputs (retention_timestamp);
CREATE INDEX "idx_workflow_status_in_flight_v2" ON "workflow_status" ("queue_name", "status", "priority", "created_at", "application_name") WHERE "status" IN ('ENQUEUED', 'PENDING');
CREATE INDEX "idx_workflow_status_partition_dequeue_v3" ON "workflow_status" ("queue_name", "status", "queue_partition_key", "priority", "created_at", "workflow_uuid", "application_name") WHERE "status" IN ('ENQUEUED', 'PENDING') AND "queue_partition_key" IS NOT NULL;
CREATE INDEX "idx_operation_outputs_completed_at_function_name_v2" ON "operation_outputs" ("completed_at_epoch_ms", "function_name", "application_name");
CREATE INDEX "idx_workflow_status_deadline" ON "workflow_status" ("workflow_deadline_epoch_ms") WHERE "status" IN ('ENQUEUED', 'PENDING', 'DELAYED') AND "workflow_deadline_epoch_ms" IS NOT NULL;
CREATE INDEX "idx_application_versions_timestamp" ON "application_versions" ("version_timestamp" DESC);
CREATE INDEX "idx_application_versions_owner_timestamp" ON "application_versions" ("application_name", "version_timestamp" DESC);
COMMIT;
