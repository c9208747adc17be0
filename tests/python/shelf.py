"""Calls a shelf through a client generated from a node's OpenAPI document."""

import json
import sys

from objects import Client
from objects.api.shelf import (
    shelf_arrange,
    shelf_delete,
    shelf_label,
    shelf_list,
    shelf_list_objects,
    shelf_list_read,
    shelf_place,
)
from objects.models import ShelfThing

client = Client(base_url=sys.argv[1])
key = "from/Python"


def place(name: str, grams: int, **headers: str):
    thing = ShelfThing(name=name, grams=grams)
    return shelf_place.sync_detailed(key, client=client, body=thing, **headers)


first = place("cup", 300, if_none_match="*")
assert first.parsed == 1, first
refused = place("cup", 300, if_none_match="*")
assert refused.status_code == 412, refused
assert refused.parsed.code == "version-mismatch", refused
once = [place("pot", 900, idempotency_key="once") for _ in range(2)]
assert [answer.parsed for answer in once] == [2, 2], once
assert "idempotency-replayed" in once[1].headers, once

# Handlers keep their names although the host has operations of the same names.
arranged = shelf_arrange.sync_detailed(key, client=client)
assert arranged.parsed == 2, arranged
assert shelf_label.sync(key, client=client) is None
assert key in shelf_list_objects.sync(client=client).keys

removed = shelf_delete.sync_detailed(key, client=client, body="pot")
found = shelf_list.sync(key, client=client)
read = shelf_list_read.sync_detailed(key, client=client)
assert read.parsed == found, read
known = shelf_list_read.sync_detailed(key, client=client, if_none_match=read.headers["etag"])
assert known.status_code == 304, known
print(json.dumps({
    "found": [thing.name for thing in found],
    "version": removed.headers["highlander-version"],
}))
