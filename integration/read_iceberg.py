"""Prints the rows of a table as PyIceberg reads them, one JSON array a line.

Arguments: table, then properties of the catalog as key=value.
"""

import json
import sys

from pyiceberg.catalog import load_catalog

table = load_catalog("check", **dict(arg.split("=", 1) for arg in sys.argv[2:])).load_table(sys.argv[1])
for row in table.scan().to_arrow().to_pylist():
    print(json.dumps(list(row.values())))
