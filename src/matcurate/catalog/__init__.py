"""The catalog: tables, migrations, queries, and the object store beside them."""
