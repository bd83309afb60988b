-- What models made of texts, so that no text is embedded twice.

-- `digest` is of the text, `model` says which one, `used_at` when the text was last wanted (to the day).
CREATE TABLE vectors (
    model TEXT NOT NULL,
    digest TEXT NOT NULL,
    vector BLOB NOT NULL,
    used_at REAL NOT NULL,
    PRIMARY KEY (model, digest)
);
CREATE INDEX vectors_by_use ON vectors (used_at);
