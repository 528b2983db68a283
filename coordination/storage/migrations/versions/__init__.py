"""One module for each revision of the schema, as `sql_schema.VERSIONS` lists them."""
