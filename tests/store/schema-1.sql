-- The state as the first release writes it.
PRAGMA application_id = 1784964464;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE audit (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        endpoint TEXT NOT NULL,
        generation INTEGER NOT NULL,
        action TEXT NOT NULL,
        detail TEXT NOT NULL,
        origin TEXT NOT NULL
    ) STRICT
    ;
CREATE TABLE deploys (
        deploy_id TEXT PRIMARY KEY,
        endpoint TEXT NOT NULL,
        version TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'running', 'done', 'failed', 'aborted')),
        since REAL NOT NULL,
        origin TEXT NOT NULL,
        options TEXT NOT NULL,
        why TEXT NOT NULL,
        previous TEXT,
        number INTEGER REFERENCES versions (number),
        outcome TEXT
    ) STRICT
    ;
CREATE TABLE endpoints (
        name TEXT PRIMARY KEY,
        generation INTEGER NOT NULL,
        active TEXT,
        standby TEXT,
        history TEXT NOT NULL,
        registered INTEGER NOT NULL,
        CHECK (active IS NULL OR active IS NOT standby)
    ) STRICT
    ;
INSERT INTO "endpoints" VALUES('churn',0,NULL,NULL,'[]',0);
CREATE TABLE events (
        number INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        endpoint TEXT NOT NULL,
        version TEXT NOT NULL,
        kind TEXT NOT NULL,
        message TEXT NOT NULL
    ) STRICT
    ;
CREATE TABLE keys (
        key_id TEXT PRIMARY KEY,
        consumer TEXT NOT NULL,
        digest TEXT NOT NULL,
        endpoints TEXT NOT NULL,
        rate TEXT,
        created_at REAL NOT NULL,
        expires_at REAL,
        previous_digest TEXT,
        previous_until REAL,
        revoked_at REAL,
        file TEXT NOT NULL
    ) STRICT
    ;
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE versions (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        endpoint TEXT NOT NULL REFERENCES endpoints (name),
        version TEXT NOT NULL,
        fate TEXT NOT NULL CHECK (fate IN ('starting', 'good', 'failed')),
        why TEXT NOT NULL,
        reason TEXT NOT NULL,
        log TEXT NOT NULL,
        created_at REAL NOT NULL,
        origin TEXT NOT NULL,
        previous TEXT,
        replicas INTEGER NOT NULL CHECK (replicas > 0),
        timeout_seconds REAL NOT NULL,
        manifest TEXT NOT NULL,
        UNIQUE (endpoint, version)
    ) STRICT
    ;
CREATE UNIQUE INDEX one_deploy ON deploys (endpoint) WHERE state IN ('open', 'running');
CREATE INDEX audit_of_endpoint ON audit (endpoint, number);
COMMIT;
