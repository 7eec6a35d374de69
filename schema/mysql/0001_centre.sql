-- The centre: what all sites have written, and every op of every site (DESIGN section 6).
--
-- Grammar that MySQL 8.4 and MariaDB 10.11 share. Data definition commits by itself there, so a step can stop half way:
-- each statement here can be repeated, and the step is recorded in schema_version once all have gone through.
-- No unique keys but the primary ones, no auto-increment, no foreign keys: sites agree by stamps, and a receipt may come
-- before its message, a password before its user. A row that is known in part only has hlc 0; the views leave it out.
--   hlc, *_stamp   milliseconds << 16 | logical; a pair (stamp, node) says which write of a value was the last
--   ids            node << 41 | counter
--   DATETIME(3)    UTC, exact milliseconds, never by the server's clock
-- Text compares as bytes (utf8mb4_bin): a collation never decides who is who. What is generated is there for the views
-- alone, and invisible: copies by INSERT ... SELECT * leave it out.
--
-- Tables user, room and message stand beside views User, Room and Message. That needs lower_case_table_names = 0 (the
-- default on Linux); tombolo refuses other servers and says so.

CREATE TABLE IF NOT EXISTS `schema_version` (
    `version`    INT         NOT NULL,      -- the number of a file in schema/mysql
    `name`       VARCHAR(64) NOT NULL,
    `applied_at` DATETIME(3) NOT NULL,
    PRIMARY KEY (`version`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Who this centre is: one row. A journal remembers the uuid, so that it never writes to another centre by mistake.
CREATE TABLE IF NOT EXISTS `centre` (
    `id`      TINYINT     NOT NULL,         -- 1
    `uuid`    CHAR(36)    NOT NULL,
    `made_at` DATETIME(3) NOT NULL,
    PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The journals that write here. last_seq is the fence of every batch, so it must be NOT NULL.
CREATE TABLE IF NOT EXISTS `site` (
    `id`       INT         NOT NULL,        -- its node number; namespace 0 belongs to the first journal
    `uuid`     CHAR(36)    NOT NULL,        -- of its journal
    `name`     VARCHAR(64) NOT NULL DEFAULT '',
    `epoch`    INT         NOT NULL,
    `last_seq` BIGINT      NOT NULL,        -- its newest op in op_log
    `chain`    BINARY(16)  NOT NULL,        -- of that op
    `floor`    BIGINT      NOT NULL DEFAULT 0,  -- its ops up to here have left op_log
    `seen_at`  DATETIME(3) NOT NULL,        -- by the site's clock
    `here_at`  DATETIME(3) NULL,            -- when its journal said last that it is here, by the centre's clock
    PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What a site has taken of another's ops.
CREATE TABLE IF NOT EXISTS `seen` (
    `site`   INT    NOT NULL,
    `origin` INT    NOT NULL,
    `seq`    BIGINT NOT NULL,
    PRIMARY KEY (`site`, `origin`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Every op of every site, appended by that site only, in its order, without gaps. Bodies are bytes: compact JSON.
CREATE TABLE IF NOT EXISTS `op_log` (
    `node`    INT        NOT NULL,
    `seq`     BIGINT     NOT NULL,
    `at`      BIGINT     NOT NULL,          -- hlc
    `kind`    SMALLINT   NOT NULL,          -- enum op_kind, src/store/op.h; 0: its effect was parked
    `version` SMALLINT   NOT NULL,
    `chain`   BINARY(16) NOT NULL,
    `body`    LONGBLOB   NOT NULL,
    PRIMARY KEY (`node`, `seq`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Ops whose effect the centre refused.
CREATE TABLE IF NOT EXISTS `parked` (
    `node`   INT          NOT NULL,
    `seq`    BIGINT       NOT NULL,
    `kind`   SMALLINT     NOT NULL,         -- what it was
    `code`   INT          NOT NULL,         -- the server's error number
    `reason` VARCHAR(512) NOT NULL,
    PRIMARY KEY (`node`, `seq`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `user` (
    `id`             BIGINT       NOT NULL,
    `hlc`            BIGINT       NOT NULL DEFAULT 0,
    `created_at`     DATETIME(3)  NULL,
    `email`          VARCHAR(320) NOT NULL DEFAULT '',
    `email_stamp`    BIGINT       NOT NULL DEFAULT 0,
    `email_node`     INT          NOT NULL DEFAULT 0,
    `email_ci`       VARCHAR(320) COLLATE utf8mb4_unicode_ci GENERATED ALWAYS AS (`email`) STORED INVISIBLE,
    `username`       VARCHAR(255) NOT NULL DEFAULT '',
    `username_stamp` BIGINT       NOT NULL DEFAULT 0,
    `username_node`  INT          NOT NULL DEFAULT 0,
    `password`       VARCHAR(255) NOT NULL DEFAULT '',  -- its hash: Argon2id, or bcrypt from the old backend
    `password_stamp` BIGINT       NOT NULL DEFAULT 0,
    `password_node`  INT          NOT NULL DEFAULT 0,
    `last_seen`      DATETIME(3)  NULL,
    PRIMARY KEY (`id`),
    KEY `user_email_ci` (`email_ci`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Who said that an e-mail is his. A claim stands while it is the user's newest (its stamp and node are his email_stamp and
-- email_node) and is not parked (parked_stamp < stamp); of those that stand the lowest (stamp, user_id) owns the e-mail.
CREATE TABLE IF NOT EXISTS `email_claim` (
    `key`          VARBINARY(1280) NOT NULL,    -- the e-mail trimmed, ASCII letters folded, UTF-8
    `user_id`      BIGINT          NOT NULL,
    `stamp`        BIGINT          NOT NULL DEFAULT 0,
    `node`         INT             NOT NULL DEFAULT 0,
    `parked_stamp` BIGINT          NOT NULL DEFAULT 0,      -- of the newest claim that was given up
    PRIMARY KEY (`key`, `user_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `room` (
    `id`         BIGINT       NOT NULL,
    `hlc`        BIGINT       NOT NULL DEFAULT 0,
    `name`       VARCHAR(255) NOT NULL DEFAULT '',
    `name_stamp` BIGINT       NOT NULL DEFAULT 0,
    `name_node`  INT          NOT NULL DEFAULT 0,
    `is_private` BOOLEAN      NOT NULL DEFAULT 0,
    `created_by` BIGINT       NOT NULL DEFAULT 0,
    `created_at` DATETIME(3)  NULL,
    PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- One value per room and user, all of it from its last writer: who left is a tombstone with id 0.
CREATE TABLE IF NOT EXISTS `member` (
    `room_id`   BIGINT      NOT NULL,
    `user_id`   BIGINT      NOT NULL,
    `id`        BIGINT      NOT NULL,
    `is_member` TINYINT     NOT NULL,
    `by_id`     BIGINT      NOT NULL,       -- who did it
    `joined_at` DATETIME(3) NULL,
    `stamp`     BIGINT      NOT NULL,
    `node`      INT         NOT NULL,
    PRIMARY KEY (`room_id`, `user_id`),
    KEY `member_user` (`user_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS `message` (
    `id`         BIGINT      NOT NULL,
    `hlc`        BIGINT      NOT NULL,
    `room_id`    BIGINT      NOT NULL,
    `sender_id`  BIGINT      NOT NULL,
    `created_at` DATETIME(3) NOT NULL,
    `content`    MEDIUMTEXT  NOT NULL,
    PRIMARY KEY (`id`),
    KEY `message_room` (`room_id`, `hlc`, `id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The earliest time wins. Rows may come before their message.
CREATE TABLE IF NOT EXISTS `receipt` (
    `message_id`   BIGINT      NOT NULL,
    `user_id`      BIGINT      NOT NULL,
    `delivered_at` DATETIME(3) NULL,
    `read_at`      DATETIME(3) NULL,
    `is_delivered` BOOLEAN     GENERATED ALWAYS AS (`delivered_at` IS NOT NULL) VIRTUAL INVISIBLE,
    `is_read`      BOOLEAN     GENERATED ALWAYS AS (`read_at` IS NOT NULL) VIRTUAL INVISIBLE,
    PRIMARY KEY (`message_id`, `user_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The old backend's tables, as everyone who reads its database knows them: its columns in its order (RoomMember has joinedAt
-- besides), BOOLEAN as TINYINT(1), and text that compares by its collation. Tables above compare by bytes all the same.
-- They are for reading, whatever rights one has. A view whose WHERE has a subquery on the same table is merged, but no statement
-- may change it; here that subquery looks up one key that no row has, once a query. MySQL would still take an INSERT, and
-- MariaDB an UPDATE of several tables that sets a plain column of the table; so text and times are expressions.
CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW `User` AS
    SELECT `id`, `email_ci` AS `email`, CONVERT(`password` USING utf8mb4) COLLATE utf8mb4_unicode_ci AS `password`,
           CONVERT(`username` USING utf8mb4) COLLATE utf8mb4_unicode_ci AS `username`,
           CAST(`created_at` AS DATETIME(3)) AS `createdAt`, CAST(`last_seen` AS DATETIME(3)) AS `lastSeen`
    FROM `user` WHERE `hlc` <> 0 AND NOT EXISTS (SELECT 1 FROM `user` `x` WHERE `x`.`id` = -1);

CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW `Room` AS
    SELECT `id`, CONVERT(`name` USING utf8mb4) COLLATE utf8mb4_unicode_ci AS `name`, `is_private` AS `isPrivate`,
           CAST(`created_at` AS DATETIME(3)) AS `createdAt`
    FROM `room` WHERE `hlc` <> 0 AND NOT EXISTS (SELECT 1 FROM `room` `x` WHERE `x`.`id` = -1);

CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW `RoomMember` AS
    SELECT `id`, `user_id` AS `userId`, `room_id` AS `roomId`, CAST(`joined_at` AS DATETIME(3)) AS `joinedAt`
    FROM `member` WHERE `is_member` = 1
    AND NOT EXISTS (SELECT 1 FROM `member` `x` WHERE `x`.`room_id` = -1 AND `x`.`user_id` = -1);

CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW `Message` AS
    SELECT `id`, CONVERT(`content` USING utf8mb4) COLLATE utf8mb4_unicode_ci AS `content`,
           CAST(`created_at` AS DATETIME(3)) AS `createdAt`, `sender_id` AS `senderId`, `room_id` AS `roomId`
    FROM `message` WHERE NOT EXISTS (SELECT 1 FROM `message` `x` WHERE `x`.`id` = -1);

CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW `MessageReceipt` AS
    SELECT `message_id` AS `id`, `message_id` AS `messageId`, `user_id` AS `userId`, `is_delivered` AS `delivered`,
           `is_read` AS `read`, CAST(`delivered_at` AS DATETIME(3)) AS `deliveredAt`, CAST(`read_at` AS DATETIME(3)) AS `readAt`
    FROM `receipt` WHERE NOT EXISTS (SELECT 1 FROM `receipt` `x` WHERE `x`.`message_id` = -1 AND `x`.`user_id` = -1);
