-- One row for each object of the bucket PICTURES that was labelled, or that could not be.
-- WITHOUT ROWID, because the index of a primary key would add a row written.
CREATE TABLE pictures (
  key TEXT NOT NULL PRIMARY KEY,
  etag TEXT NOT NULL,
  -- When the object was uploaded and when it was labelled: milliseconds since 1970.
  uploaded INTEGER NOT NULL,
  labelled_at INTEGER NOT NULL,
  -- What answered, each as name/version. The head is empty if the model's own classes answered.
  model TEXT,
  head TEXT NOT NULL DEFAULT '',
  image_sha256 TEXT,
  -- Pixels as displayed.
  width INTEGER,
  height INTEGER,
  -- Up to five predictions, best first: JSON.
  predictions TEXT,
  -- The first prediction.
  label TEXT,
  score REAL,
  -- Little-endian float32, if KEEP_FEATURES is set.
  features BLOB,
  -- Why the object has no label, for programs and for people. NULL if it has one.
  code TEXT,
  detail TEXT,
  -- Key before the object was moved into quarantine.
  quarantined_from TEXT
) STRICT, WITHOUT ROWID;

-- One index for lists by label, for failures (their label is NULL) and for counts, because each index adds a row written.
CREATE INDEX pictures_by_label ON pictures (label, score DESC, key, code, model, head);

-- Messages that failed too often, or that were not understood.
CREATE TABLE dead_letters (
  id TEXT NOT NULL PRIMARY KEY,
  -- Key of the object that the message names. NULL if it names none.
  key TEXT,
  -- The message: JSON.
  body TEXT NOT NULL,
  -- Milliseconds since 1970.
  died_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
