PRAGMA page_size=4096;
BEGIN TRANSACTION;
DROP TABLE IF EXISTS entries;
CREATE TABLE entries (
        scope INTEGER NOT NULL REFERENCES scopes,
        kind TEXT NOT NULL,
        entry_id INTEGER NOT NULL,
        text TEXT NOT NULL,
        vector BLOB,
        PRIMARY KEY (scope, kind, entry_id)
    ) STRICT, WITHOUT ROWID;
INSERT INTO entries VALUES(1,'core',0,'about Ann',NULL);
INSERT INTO entries VALUES(1,'semantic',1,'Ann lives in Rome',NULL);
DROP TABLE IF EXISTS keys;
CREATE TABLE keys (
        scope INTEGER NOT NULL REFERENCES scopes,
        name TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (scope, name)
    ) STRICT, WITHOUT ROWID;
INSERT INTO keys VALUES(1,'message 1',1,1);
DROP TABLE IF EXISTS operations;
CREATE TABLE operations (
        scope INTEGER NOT NULL REFERENCES scopes,
        number INTEGER NOT NULL,
        action TEXT NOT NULL,
        kind TEXT NOT NULL,
        entry_id INTEGER NOT NULL,
        before TEXT,
        after TEXT,
        undoes INTEGER,
        chunk INTEGER,
        lines TEXT NOT NULL,
        time TEXT,
        author TEXT NOT NULL,
        learned INTEGER NOT NULL,
        valid INTEGER NOT NULL,
        PRIMARY KEY (scope, number)
    ) STRICT, WITHOUT ROWID;
INSERT INTO operations VALUES(1,1,'insert','semantic',1,NULL,'Ann lives in Oslo',NULL,0,'[1]','2024-03-05','writer',1767225660000000,1709596800000000);
INSERT INTO operations VALUES(1,2,'update','core',0,NULL,'about Ann',NULL,0,'[]',NULL,'writer',1767225720000000,1767225720000000);
INSERT INTO operations VALUES(1,3,'update','semantic',1,'Ann lives in Oslo','Ann lives in Rome',NULL,1,'[2, 3]','2024-03-06','user',1767225780000000,1709683200000000);
INSERT INTO operations VALUES(1,4,'insert','episodic',2,NULL,'a mistake',NULL,NULL,'[]',NULL,'writer',1767225840000000,1767225840000000);
INSERT INTO operations VALUES(1,5,'delete','episodic',2,'a mistake',NULL,4,NULL,'[]',NULL,'user',1767225900000000,1767225840000000);
CREATE INDEX operations_of_entry ON operations (scope, kind, entry_id);
DROP TABLE IF EXISTS receipts;
CREATE TABLE receipts (
        receipt INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        "user" TEXT NOT NULL,
        kind TEXT,
        entry_id INTEGER,
        operations INTEGER NOT NULL,
        erased INTEGER NOT NULL,
        scrubbed INTEGER
    ) STRICT;
INSERT INTO receipts VALUES(1,'acme','bo','semantic',1,1,1767226020000000,1767226080000000);
DROP TABLE IF EXISTS scopes;
CREATE TABLE scopes (
        scope INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        "user" TEXT NOT NULL,
        next_id INTEGER NOT NULL,
        next_number INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        learned INTEGER NOT NULL,
        UNIQUE (tenant, "user")
    ) STRICT;
INSERT INTO scopes VALUES(1,'acme','ana',3,6,0,1767225900000000);
INSERT INTO scopes VALUES(2,'acme','bo',2,2,1,1767225960000000);
DROP TABLE IF EXISTS settings;
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
pragma user_version=1;
pragma application_id=1833004134;
COMMIT TRANSACTION;
