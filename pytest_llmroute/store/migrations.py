"""The database's schema as numbered steps; append only, never edit one that was released.

1  runs, records, calls
2  series
"""

from __future__ import annotations

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE runs (
            run_id TEXT PRIMARY KEY,
            started_at TEXT NOT NULL,
            finished_at TEXT,
            status TEXT NOT NULL,       -- finished, interrupted
            version TEXT NOT NULL,
            profile TEXT NOT NULL,
            columns TEXT NOT NULL,      -- JSON list, in the order of the command line
            facts TEXT NOT NULL         -- JSON object: the machine
        ) STRICT""",
        """CREATE TABLE records (
            run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
            nodeid TEXT NOT NULL,
            case_id TEXT NOT NULL,
            column_name TEXT NOT NULL,
            task TEXT,
            phase TEXT,
            repeat INTEGER NOT NULL,
            model TEXT NOT NULL,        -- of the last call
            outcome TEXT NOT NULL,      -- passed, missed, failed, error, skipped, interrupted
            success INTEGER NOT NULL,
            seconds REAL NOT NULL,
            prompt_tokens INTEGER NOT NULL,
            completion_tokens INTEGER NOT NULL,
            rss_peak INTEGER,           -- bytes
            usd REAL,
            scripted INTEGER NOT NULL,
            forced INTEGER NOT NULL,
            data TEXT NOT NULL,         -- the whole record as JSON
            PRIMARY KEY (run_id, nodeid)
        ) STRICT""",
        "CREATE INDEX records_by_case ON records (case_id, column_name)",
        """CREATE TABLE calls (
            run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
            nodeid TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            model TEXT NOT NULL,
            data TEXT NOT NULL,         -- the call with its messages and reply as JSON
            PRIMARY KEY (run_id, nodeid, attempt)
        ) STRICT""",
    ),
    (
        """CREATE TABLE series (
            run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
            worker TEXT NOT NULL,
            data TEXT NOT NULL,         -- RAM and CPU over time as JSON
            PRIMARY KEY (run_id, worker)
        ) STRICT""",
    ),
)
VERSION = len(STEPS)
