-- What each server offered, now and before.

-- A row for each change, newest last. `listing` is compressed JSON.
CREATE TABLE versions (
    id INTEGER PRIMARY KEY,
    server TEXT NOT NULL,
    identity TEXT NOT NULL,
    at REAL NOT NULL,
    digest TEXT NOT NULL,
    listing BLOB NOT NULL
);
CREATE INDEX versions_by_server ON versions (server, id);

-- Which of them a server offers now, for each way in which it is reached.
CREATE TABLE listings (
    server TEXT NOT NULL,
    identity TEXT NOT NULL,
    version INTEGER NOT NULL,
    listed_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    PRIMARY KEY (server, identity)
);
