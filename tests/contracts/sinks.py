"""What every sink promises, real or fake."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.model import ABSENT, EntryKind, fingerprint
from ecr_refreshd.core.ports import Sink
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.errors import SinkUnparsable

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"
OTHER = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
AUTH = base64.b64encode(b"AWS:one").decode()
NEWER = base64.b64encode(b"AWS:two").decode()
STRANGER = b'{\n  "auths": {\n    "ghcr.io": {"auth": "eDp5"}\n  },\n  "psFormat": "\\u003c"\n}\n'


class SinkContract:
    """Subclass it, and say how to make a sink and how to see its bytes."""

    def make(self, folder: Path, content: bytes | None) -> Sink:
        raise NotImplementedError

    def content(self, sink: Sink) -> bytes | None:
        raise NotImplementedError

    def test_a_missing_file_is_no_error_and_holds_nothing(self, tmp_path: Path) -> None:
        view = self.make(tmp_path, None).look([HOST])
        assert (view.exists, view.entries, view.ecr_hosts, view.shadows) == (False, {HOST: ABSENT}, (), {})

    def test_what_is_written_is_what_stands_there(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path, None)
        written = sink.write(Delivery({HOST: Secret(AUTH), OTHER: Secret(NEWER)}))
        seen = sink.look([HOST, OTHER])
        assert written.entries == seen.entries
        assert seen.exists
        assert seen.entries[HOST].kind is EntryKind.TOKEN
        assert seen.entries[HOST].fingerprint == fingerprint(AUTH)
        assert seen.entries[OTHER].auth == Secret(NEWER)
        assert seen.ecr_hosts == (HOST, OTHER)

    def test_a_write_also_tells_of_the_hosts_that_were_looked_at(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path, None)
        sink.write(Delivery({OTHER: Secret(AUTH)}))
        sink.look([HOST, OTHER])
        view = sink.write(Delivery({HOST: Secret(NEWER)}))
        assert {host: entry.fingerprint for host, entry in view.entries.items()} == {
            HOST: fingerprint(NEWER),
            OTHER: fingerprint(AUTH),
        }

    def test_the_rest_of_the_file_is_not_touched(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path, STRANGER)
        sink.write(Delivery({HOST: Secret(AUTH)}))
        content = self.content(sink)
        assert content is not None
        start, end = STRANGER.split(b"}\n  },")
        assert content.startswith(start)
        assert content.endswith(end)
        assert json.loads(content)["auths"]["ghcr.io"] == {"auth": "eDp5"}

    def test_writing_the_same_again_changes_nothing(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path, STRANGER)
        first = sink.write(Delivery({HOST: Secret(AUTH)}))
        content = self.content(sink)
        assert sink.write(Delivery({HOST: Secret(AUTH)})) == first
        assert self.content(sink) == content

    def test_what_does_not_parse_is_never_written(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path, b'{\n"auths": {\n')
        with pytest.raises(SinkUnparsable, match="line 3"):
            sink.look([HOST])
        with pytest.raises(SinkUnparsable, match="line 3"):
            sink.write(Delivery({HOST: Secret(AUTH)}))
        assert self.content(sink) == b'{\n"auths": {\n'

    def test_where_another_helper_is_asked_nothing_is_written(self, tmp_path: Path) -> None:
        content = f'{{"credHelpers": {{"{HOST}": "x"}}}}'.encode()
        sink = self.make(tmp_path, content)
        assert "credHelpers" in sink.look([HOST]).shadows[HOST]
        assert "credHelpers" in sink.write(Delivery({HOST: Secret(AUTH)})).shadows[HOST]
        assert self.content(sink) == content

    def test_an_entry_that_is_to_go_goes_in_every_form_and_nothing_else_does(self, tmp_path: Path) -> None:
        twins = (
            f'{{"auths": {{"https://{HOST}": {{"auth": "x"}}, "a": {{}}, "{HOST}": {{"auth": "{AUTH}"}}}}}}\n'
        )
        sink = self.make(tmp_path, twins.encode())
        sink.look([HOST])
        view = sink.write(Delivery(removed=frozenset({HOST})))
        assert view.entries[HOST] == ABSENT
        assert self.content(sink) == b'{"auths": {"a": {}}}\n'

    def test_tokens_and_removals_share_a_rewrite(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path, f'{{"auths": {{"{HOST}": {{"auth": "{AUTH}"}}}}}}'.encode())
        sink.look([HOST, OTHER])
        view = sink.write(Delivery({OTHER: Secret(NEWER)}, removed=frozenset({HOST})))
        assert (view.entries[HOST], view.entries[OTHER].fingerprint) == (ABSENT, fingerprint(NEWER))

    def test_removing_what_is_not_there_makes_no_file(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path, None)
        sink.write(Delivery(removed=frozenset({HOST})))
        assert self.content(sink) is None

    def test_the_rest_is_the_same_before_and_after_an_entry_goes_and_another_when_more_did(
        self, tmp_path: Path
    ) -> None:
        sink = self.make(tmp_path, STRANGER)
        full = sink.write(Delivery({HOST: Secret(AUTH), OTHER: Secret(NEWER)}))
        logged_out = sink.write(Delivery(removed=frozenset({HOST})))
        assert full.rest
        assert full.rest == logged_out.rest == sink.look([HOST, OTHER]).rest
        assert sink.look([HOST]).rest != full.rest, (
            "the other host is not asked about, so it belongs to the rest"
        )

    def test_the_folder_of_the_path_is_to_be_watched(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path, None)
        assert str(Path(sink.path).parent) in sink.folders()
