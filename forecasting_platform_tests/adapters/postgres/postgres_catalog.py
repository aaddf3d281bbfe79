"""What a schema is, as Postgres itself says: for comparing two of them."""

import psycopg

CATALOG = {
    "columns": """
        SELECT relname || '.' || attname, format_type(atttypid, atttypmod), attnotnull, attidentity::text,
               coalesce(collname, ''), coalesce(pg_get_expr(adbin, adrelid), ''), col_description(pg_class.oid, attnum)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_collation ON pg_collation.oid = attcollation
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = 'forecasting'::regnamespace AND relkind IN ('r', 'v') AND attnum > 0 AND NOT attisdropped
    """,
    "tables": """
        SELECT relname::text, relkind::text, obj_description(oid, 'pg_class') FROM pg_class
        WHERE relnamespace = 'forecasting'::regnamespace AND relkind IN ('r', 'v', 'S')
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'forecasting'::regnamespace
    """,
    "indexes": "SELECT indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'forecasting'",
    "views": "SELECT viewname::text, definition FROM pg_views WHERE schemaname = 'forecasting'",
    "triggers": """
        SELECT pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        WHERE NOT tgisinternal AND relnamespace = 'forecasting'::regnamespace
    """,
    "functions": """
        SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'forecasting'::regnamespace
    """,
    "revision": "SELECT version_num FROM forecasting.alembic_version",
}


def catalog(dsn: str) -> dict[str, set[tuple[object, ...]]]:
    """Everything but the order of columns, which no query here relies on."""
    with psycopg.connect(dsn) as connection:
        return {name: set(connection.execute(query).fetchall()) for name, query in CATALOG.items()}
