"""SQL queries that pair two archives: their rows, the rules, and the order of preference.

If several rows of a cell pass the rules, a total order decides; missing values come last.
Sentinel-2: lowest nodata, lowest cloud cover, latest time, first product id. Sentinel-1: lowest
nodata, closest in time to the Sentinel-2 row, first product id. Last comes the row's place in the
archive, since some rows are exact duplicates.
"""

from datetime import datetime

from minortom.archive.pair_rules import PairRules

# A name of another form than the grid's has no row and no column. The published name (M/2)R of a
# cell at the antimeridian becomes (M/2)L. A timestamp of another form, a NaN and an empty CRS are
# missing values.
READ_ROWS = r"""
CREATE TEMP TABLE {sensor} AS
WITH found AS (
    SELECT *, CAST(grid_cell AS VARCHAR) AS name,
        regexp_full_match(
            name, '((0|[1-9]\d{{0,3}})U|[1-9]\d{{0,3}}D)_((0|[1-9]\d{{0,3}})R|[1-9]\d{{0,3}}L)'
        ) AS formed,
        CASE WHEN formed THEN split_part(name, '_', 1) END AS row_name,
        CASE WHEN formed THEN split_part(name, '_', 2) END AS col_name,
        CAST(left(row_name, -1) AS SMALLINT) * if(row_name[-1] = 'U', 1, -1) AS row_number,
        CAST(left(col_name, -1) AS SMALLINT) * if(col_name[-1] = 'R', 1, -1) AS col_number,
    FROM read_parquet('{path}')
    WHERE parquet_url IS NOT NULL AND parquet_row IS NOT NULL
)
SELECT
    CAST(g.grid_row AS SMALLINT) AS grid_row,
    CAST(if(2 * col_number = n_columns, -col_number, col_number) AS SMALLINT) AS grid_col,
    if(g.grid_row IS NULL, coalesce(name, ''), NULL) AS odd_name,
    CAST(product_id AS VARCHAR) AS product_id,
    try_strptime(CAST("timestamp" AS VARCHAR), '%Y%m%dT%H%M%S') AS second,
    {cloud_cover}
    known(nodata) AS nodata,
    nullif(CAST(crs AS VARCHAR), '') AS crs,
    regexp_extract(split_part(split_part(CAST(parquet_url AS VARCHAR), '?', 1), '#', 1), '[^/]+$')
        AS part,
    CAST(parquet_row AS BIGINT) AS row,
FROM found LEFT JOIN grid_rows g ON g.grid_row = row_number AND abs(col_number) <= n_columns // 2
"""

# In both queries a row that passes the rules comes before all others. Among the others the row that
# breaks the last rule comes first. The selected row therefore tells how a cell is paired, or which
# rule removed it.
SELECT_S2 = """
CREATE TEMP TABLE s2_best AS
SELECT a.* EXCLUDE odd_name, {broken} AS s2_broken
FROM s2 a {join}
WHERE grid_row IS NOT NULL
QUALIFY 1 = row_number() OVER (PARTITION BY grid_row, grid_col ORDER BY
    s2_broken DESC NULLS FIRST,
    nodata NULLS LAST, cloud_cover NULLS LAST, second DESC NULLS LAST,
    product_id NULLS LAST, part NULLS LAST, "row", crs NULLS LAST)
"""
SELECT_S1 = """
CREATE TEMP TABLE pairs AS
SELECT
    a.grid_row, a.grid_col,
    a.product_id AS s2_product_id, b.product_id AS s1_product_id,
    a.second AS s2_timestamp, b.second AS s1_timestamp,
    (epoch_us(b.second) - epoch_us(a.second)) / 86400e6 AS dt_days,
    a.crs AS s2_crs, b.crs AS s1_crs,
    a.cloud_cover AS s2_cloud_cover, a.nodata AS s2_nodata, b.nodata AS s1_nodata,
    a.part AS s2_part, a."row" AS s2_row, b.part AS s1_part, b."row" AS s1_row,
    {broken} AS s1_broken,
FROM s2_best a LEFT JOIN s1 b ON a.grid_row = b.grid_row AND a.grid_col = b.grid_col
WHERE a.s2_broken IS NULL
QUALIFY 1 = row_number() OVER (PARTITION BY a.grid_row, a.grid_col ORDER BY
    s1_broken DESC NULLS FIRST,
    s1_nodata NULLS LAST, abs(dt_days) NULLS LAST,
    s1_product_id NULLS LAST, s1_part NULLS LAST, s1_row, s1_crs NULLS LAST,
    s1_timestamp NULLS LAST)
"""


def broken_by_s2(rules: PairRules) -> dict[str, str]:
    """Return the SQL condition by which a row ``a`` of Sentinel-2 breaks each rule, in order."""
    (since, until), found = rules.between(), {}
    if since is not None:
        found["since"] = f"a.second < TIMESTAMP '{_utc(since)}'"
    if until is not None:
        found["until"] = f"a.second > TIMESTAMP '{_utc(until)}'"
    if rules.max_cloud is not None:
        found["max_cloud"] = f"a.cloud_cover > {float(rules.max_cloud)!r}"
    if rules.max_nodata is not None:
        found["max_nodata_s2"] = f"a.nodata > {rules.max_nodata / 100!r}"
    return found | _unknown_in("require_known_s2", rules, found)


def broken_by_s1(rules: PairRules) -> dict[str, str]:
    """Return the conditions for a row ``b`` of Sentinel-1 beside the selected row ``a``."""
    found = {}
    if rules.max_nodata is not None:
        found["max_nodata_s1"] = f"b.nodata > {rules.max_nodata / 100!r}"
    if rules.max_dt_days is not None:
        found["max_dt"] = f"abs(dt_days) > {float(rules.max_dt_days)!r}"
    if rules.same_crs:
        found["same_crs"] = "a.crs <> b.crs"
    unknown = _unknown_in("require_known_s1", rules, found)
    return {"without_s1": "b.grid_row IS NULL"} | found | unknown


def _unknown_in(name: str, rules: PairRules, conditions: dict[str, str]) -> dict[str, str]:
    """Return the rule that no earlier condition is NULL, if missing values break rules."""
    if not (rules.require_known and conditions):
        return {}
    return {name: " OR ".join(f"({sql}) IS NULL" for sql in conditions.values())}


def _utc(moment: datetime) -> str:
    """Format a UTC time for DuckDB, without a time zone."""
    return moment.replace(tzinfo=None).isoformat(sep=" ")
