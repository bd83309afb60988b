-- How often tools were looked for and used through discovery. Nothing of what anybody asked for.

-- `tool` is the name that the server gave it. `last` is when any of the counters was last raised.
CREATE TABLE usage (
    server TEXT NOT NULL,
    tool TEXT NOT NULL,
    found INTEGER NOT NULL,
    shown INTEGER NOT NULL,
    chosen INTEGER NOT NULL,
    called INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    last REAL NOT NULL,
    PRIMARY KEY (server, tool)
);
CREATE INDEX usage_by_last ON usage (last);
