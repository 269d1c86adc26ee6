"""What needs no project: segment, measure, inspect and synthesise files."""
