"""What the peers' scripts share. Each reads its task as JSON from its first
argument and prints a report as JSON: the time and CPU of the work itself, from
after the imports on, and what it counted."""

import json
import resource
import sys
import time

DUCK = {"bool": "BOOLEAN", "int": "INTEGER", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "date": "DATE",
        "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMPTZ", "string": "VARCHAR"}


def duck_type(typ):
    return DUCK.get(typ) or typ.upper()


def task():
    return json.loads(sys.argv[1])


def cpu():
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


class Work:
    """Measures the with block."""

    def __enter__(self):
        self.report = {}
        self.cpu, self.begun = cpu(), time.monotonic()
        return self.report

    def __exit__(self, kind, *_):
        if kind is None:
            self.report["work_ms"] = (time.monotonic() - self.begun) * 1000
            self.report["work_cpu_ms"] = (cpu() - self.cpu) * 1000
            print(json.dumps(self.report))


def ident(name):
    return '"' + name.replace('"', '""') + '"'


def text(value):
    return "'" + value.replace("'", "''") + "'"
