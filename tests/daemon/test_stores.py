"""Promise 8 by the real loop: a store that does not take one host's token spoils nothing for another's."""

from __future__ import annotations

from pathlib import Path

from tests.daemon.test_ways import CONFIG, HOST, MINUTE, OTHER, Home, programs

__all__ = ["programs"]

THIRD = "333322223333.dkr.ecr.eu-west-1.amazonaws.com"
MORE = "".join(f'[[registry]]\nhost = "{host}"\nprofile = "dev"\n' for host in (OTHER, THIRD))
STORE = """#!/bin/sh
PATH=/usr/bin:/bin
read -r said
echo "$1" >>{folder}/calls
case $1 in
store)
    host=${{said#*'"ServerURL": "'}} host=${{host%%'"'*}}
    [ ! -e {folder}/fails-"$host" ] || {{ echo some failure; exit 1; }}
    echo "$said" >{folder}/kept-"$host" ;;
get) cat {folder}/kept-"$said" 2>/dev/null || {{ echo credentials not found in native keychain; exit 1; }} ;;
list) echo '{{}}' ;;
esac
"""


def test_one_that_is_refused_is_said_so_and_tried_again_and_the_others_are_served(
    tmp_path: Path, programs: Path
) -> None:
    store = programs / "docker-credential-fake"
    store.write_text(STORE.format(folder=tmp_path))
    store.chmod(0o755)
    (tmp_path / f"fails-{HOST}").touch()
    home = Home(tmp_path, f'{CONFIG}{MORE}[docker]\nmode = "store"\n')
    home.put(credsStore="fake", credHelpers={THIRD: ""})
    home.begin()
    rows = {host: home.row(host)["sinks"][0] for host in (HOST, OTHER, THIRD)}
    assert {host: (row["kind"], row["state"]) for host, row in rows.items()} == {
        HOST: ("store", "unwritable"),
        OTHER: ("store", "written"),
        THIRD: ("auths", "written"),
    }
    assert "some failure" in rows[HOST]["detail"]
    assert home.document["auths"].keys() == {OTHER, THIRD}
    assert home.service.document()["overall"] == "degraded"
    home.live(10 * MINUTE)
    tries = (tmp_path / "calls").read_text().split().count("store")
    assert 5 <= tries <= 15, "it is tried again, more and more rarely"
    lines = [fields for _level, event, fields in home.log.lines if event == "sink.unwritable"]
    assert [fields["host"] for fields in lines] == [HOST], "and told once"
    (tmp_path / f"fails-{HOST}").unlink()
    home.live(6 * MINUTE)
    assert home.row(HOST)["sinks"][0]["state"] == "written"
    assert home.service.document()["overall"] == "ok"
    assert home.document["auths"].keys() == {HOST, OTHER, THIRD}
