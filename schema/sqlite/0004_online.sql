-- Whom others here take for online. After a restart they are told of those who do not come back. For this server only: no ops,
-- no sync.
CREATE TABLE online (
    user_id INTEGER PRIMARY KEY
) STRICT;
