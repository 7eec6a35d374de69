-- What the centre has to know so that op_log can forget what all sites have (DESIGN section 6). Each site writes its own rows.

-- A site's ops up to seq have left op_log, as site.floor says, too; chain is the last one's, so that an older copy of its journal
-- can still be told from a copy that went its own way.
CREATE TABLE IF NOT EXISTS `op_floor` (
    `node`  INT        NOT NULL,
    `seq`   BIGINT     NOT NULL,
    `chain` BINARY(16) NOT NULL,
    PRIMARY KEY (`node`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- On that day of the centre's calendar (TO_DAYS, UTC) the site was here, and its ops went up to seq when it first was. The newest
-- says whether the site has been silent for longer than its lease; the older ones, how old its ops are by a clock that is
-- nobody's but the centre's.
CREATE TABLE IF NOT EXISTS `site_day` (
    `site` INT    NOT NULL,
    `day`  INT    NOT NULL,
    `seq`  BIGINT NOT NULL,
    PRIMARY KEY (`site`, `day`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
