-- What a journal needs to know among other sites (DESIGN section 6).

-- When this journal was re-issued under another node number (ms): tokens from before it name other users. 0: never.
ALTER TABLE self ADD COLUMN reissued_at INTEGER NOT NULL DEFAULT 0;

-- When this journal was last set back to a backup: tokens that were made after lost_from and up to lost_upto (ms) are
-- refused, since the accounts that they name may be gone. 0: never.
ALTER TABLE self ADD COLUMN lost_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE self ADD COLUMN lost_upto INTEGER NOT NULL DEFAULT 0;

-- 1: this journal was put here by tombolo restore, and has not met its centre since; 2: likewise, and it takes over from
-- whoever has its number, however lately they were there. 0: neither.
ALTER TABLE self ADD COLUMN restored INTEGER NOT NULL DEFAULT 0;

-- When a message of another site came here by way of the centre (ms); 0: it is ours.
ALTER TABLE message ADD COLUMN arrived_at INTEGER NOT NULL DEFAULT 0;

-- Own ops whose content the centre has refused, as it says: what they did is nowhere else.
CREATE TABLE parked (
    seq INTEGER PRIMARY KEY
) STRICT;
