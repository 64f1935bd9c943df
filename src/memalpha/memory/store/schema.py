"""The tables of a store in SQLite, as the steps from each version to the next.

A released step is never changed: a file of any version is opened by the steps that it lacks. `operations` is the truth;
`entries` follows from it and holds what a look from outside and a search by vectors need. `sources` are the chunks that
operations were made from, `inbox` is what was accepted and not yet read.
"""

APPLICATION_ID = 0x6D416C66
"""Marks a SQLite file as a store of memalpha."""

STEPS = (
    """
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
    CREATE INDEX operations_of_entry ON operations (scope, kind, entry_id);
    CREATE TABLE entries (
        scope INTEGER NOT NULL REFERENCES scopes,
        kind TEXT NOT NULL,
        entry_id INTEGER NOT NULL,
        text TEXT NOT NULL,
        vector BLOB,
        PRIMARY KEY (scope, kind, entry_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE keys (
        scope INTEGER NOT NULL REFERENCES scopes,
        name TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (scope, name)
    ) STRICT, WITHOUT ROWID;
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
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE operations ADD COLUMN origin TEXT NOT NULL DEFAULT 'user';
    ALTER TABLE scopes ADD COLUMN next_source INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE sources (
        scope INTEGER NOT NULL REFERENCES scopes,
        number INTEGER NOT NULL,
        text TEXT NOT NULL,
        time TEXT,
        PRIMARY KEY (scope, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE inbox (
        ticket INTEGER PRIMARY KEY AUTOINCREMENT,
        tenant TEXT NOT NULL,
        "user" TEXT NOT NULL,
        name TEXT,
        body TEXT NOT NULL,
        accepted INTEGER NOT NULL,
        due INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        problem TEXT,
        UNIQUE (tenant, "user", name)
    ) STRICT;
    CREATE TABLE api_keys (
        number INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        digest TEXT NOT NULL UNIQUE,
        label TEXT NOT NULL,
        rights TEXT NOT NULL,
        created INTEGER NOT NULL,
        revoked INTEGER
    ) STRICT;
    """,
)
"""The first makes schema 1 from nothing."""
