"""Endpoints as files: what is read, what is refused and where, what is written, and what apply would do."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jupyter_modelserve.cli import main
from jupyter_modelserve.cli.manifests import specs
from jupyter_modelserve.cli.manifests.reading import documents
from jupyter_modelserve.errors import DeadlineExceeded, InvalidParameter, NotFound
from jupyter_modelserve.types import (
    Endpoint,
    EndpointSpec,
    EndpointStatus,
    EngineChoice,
    Selector,
    SelectorKind,
    ServedEntity,
    ServiceState,
    UpdateState,
    WorkloadSize,
)

SHOP = """\
name: shop
entities:
  - name: blue
    model: iris
    selector: {kind: version, value: 1}
    traffic: 90
  - name: green
    model: iris
    selector:
      kind: alias
      value: Champion
    traffic: 10
    workload_size: Large
tags: {team: fraud}
secrets: [API_KEY]
"""


def read(text: str) -> list[EndpointSpec]:
    return [specs.specification(each) for each in documents(text, "shop.yaml")]


@pytest.mark.req("REQ-158")
def test_a_document_is_a_specification() -> None:
    (found,) = read(SHOP)
    blue, green = found.entities
    assert (found.name, found.tags, found.secrets) == ("shop", {"team": "fraud"}, ("API_KEY",))
    assert (str(blue.selector), blue.traffic) == ("version=1", 90)
    assert (str(green.selector), green.workload_size) == ("alias=Champion", WorkloadSize.LARGE)
    assert len(read(f"{SHOP}---\n{SHOP}---\n# nothing\n")) == 2
    assert read(json.dumps(yaml.safe_load(SHOP))) == [found]


def test_the_pages_example_is_a_specification() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "deploy-from-files.md"
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (found,) = read(block)
    assert [each.traffic for each in found.entities] == [90, 10]
    assert found.secrets == ("API_KEY",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("traffic: 10", "trafic: 10", "shop.yaml:12: entities.1.trafic: is unknown; did you mean traffic?"),
        ("tags:", "labels:", "shop.yaml:14: labels: is unknown; known are name, entities"),
        ("value: Champion", "value: [1]", "shop.yaml:11: entities.1.selector.value: Input should be a valid string"),
        ("value: Champion", "value: 1.5", "put it in quotes"),
        ("kind: alias", "kind: label", "shop.yaml:10: entities.1.selector.kind: Input should be 'active'"),
        ("    model: iris\n    selector: {", "    selector: {", "shop.yaml:3: entities.0.model: Field required"),
        ("traffic: 90", "traffic: many", "shop.yaml:6: entities.0.traffic: Input should be a valid integer"),
        ("fraud}", "8}", "shop.yaml:14: tags.team: Input should be a valid string; put it in quotes"),
        ("[API_KEY]", "{API_KEY: hunter2}", "shop.yaml:15: secrets: values of secrets do not belong in a file"),
        ("secrets: [API_KEY]", "secret_values: {A: hunter2}", "shop.yaml:15: secret_values: values of secrets"),
        ("traffic: 90", "traffic: 90\n    traffic: 80", "shop.yaml:7: entities.0.traffic: is there twice"),
        ("{team: fraud}", "&t {team: fraud}\nengine: *t", "shop.yaml:15: aliases are not read"),
        ("{team: fraud}", "!!python/name:os.system {}", "shop.yaml:14: "),
        ("name: shop", "- name: shop", "shop.yaml:2: this is no YAML"),
        ("[API_KEY]", "[API_KEY=hunter2]", "shop.yaml:15: secrets.0: must be a name .* by --secret-from-env"),
        ("[API_KEY]", "[A, {API_KEY: hunter2}]", "shop.yaml:15: secrets.1: must be a name"),
        ("[API_KEY]", "[hunter2-x]", "shop.yaml:15: secrets.0: must be a name"),
        ("[API_KEY]", "API_KEY=hunter2", "shop.yaml:15: secrets: values of secrets do not belong in a file"),
        ("[API_KEY]", "[!!int hunter2]", "shop.yaml:15: secrets.0: "),
        ("[API_KEY]", "[!hunter2 a]", "shop.yaml:15: secrets.0: this tag is not read"),
        ("[API_KEY]", "[*hunter2]", "shop.yaml:15: aliases are not read"),
        ("value: 1}", "value: 010}", "shop.yaml:5: entities.0.selector.value: write a number in plain decimal digits"),
        ("value: 1}", "value: 1_0}", "shop.yaml:5: entities.0.selector.value: write a number in plain decimal digits"),
        ("value: 1}", "value: 0x10}", "shop.yaml:5: entities.0.selector.value: write a number in plain decimal digits"),
        ("fraud}", "12:30}", "shop.yaml:14: tags.team: write a number in plain decimal digits .* a text in quotes"),
        ("traffic: 90", "traffic: !!bool maybe", "shop.yaml:6: entities.0.traffic: cannot be read as bool"),
        ("traffic: 90", "traffic: !!float ''", "shop.yaml:6: entities.0.traffic: write a number"),
        ("traffic: 90", f"traffic: {'9' * 5000}", "shop.yaml:6: entities.0.traffic: cannot be read as int"),
        ("tags:", "request_timeout: .inf\ntags:", "shop.yaml:14: request_timeout: write a number"),
        ("tags:", "request_timeout: 'inf'\ntags:", "shop.yaml:14: request_timeout: must be a finite number"),
        ("workload_size: Large", "memory_gb: .nan", "shop.yaml:13: entities.1.memory_gb: write a number"),
        ("workload_size: Large", "memory_gb: 1.0e+999", "shop.yaml:13: entities.1.memory_gb: must be a finite number"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_field(old: str, new: str, message: str) -> None:
    assert SHOP.count(old) >= 1
    with pytest.raises(InvalidParameter, match=message) as refused:
        read(SHOP.replace(old, new, 1))
    assert "hunter2" not in refused.value.message


def test_what_is_no_document_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="must be a mapping"):
        read("- a\n- b\n")
    for deep in ("[" * 33 + "]" * 33, "\n".join(" " * level + "a:" for level in range(40))):
        with pytest.raises(InvalidParameter, match=r"shop.yaml:\d+: is nested too deeply; 32 levels are the most"):
            read(deep)
    with pytest.raises(InvalidParameter, match="larger than"):
        read("#" * 2_000_000)
    assert read("") == []


@pytest.mark.timeout(60)
def test_brackets_without_end_are_not_read_to_the_end() -> None:
    # The reader needs time by the square of the depth: hours for these.
    with pytest.raises(InvalidParameter, match="nested too deeply"):
        read("a: " + "[" * 200_000)


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
ENTITIES = st.builds(
    ServedEntity,
    model=NAMES,
    selector=st.one_of(
        st.just(Selector(SelectorKind.ACTIVE)),
        st.builds(Selector, st.just(SelectorKind.VERSION), st.integers(1, 99).map(str)),
        st.builds(Selector, st.just(SelectorKind.ALIAS), NAMES),
    ),
    name=NAMES,
    traffic=st.integers(0, 100),
    workload_size=st.sampled_from(WorkloadSize),
    min_replicas=st.none() | st.integers(1, 3),
    memory_gb=st.none() | st.floats(0.5, 64),
    scale_to_zero=st.booleans(),
)
SPECS = st.builds(
    EndpointSpec,
    name=NAMES,
    entities=st.lists(ENTITIES, min_size=1, max_size=3).map(tuple),
    request_timeout=st.none() | st.floats(1, 100),
    tags=st.dictionaries(TEXTS, TEXTS, max_size=3),
    engine=st.none() | st.sampled_from(EngineChoice),
    environment_vars=st.dictionaries(NAMES, TEXTS, max_size=3),
    secrets=st.lists(NAMES, max_size=3).map(tuple),
)


@given(SPECS)
def test_what_is_exported_is_read_as_the_same(spec: EndpointSpec) -> None:
    assert read(specs.text(spec)) == [spec]


def test_every_character_is_read_as_it_was_written() -> None:
    entity = ServedEntity("iris", Selector(SelectorKind.ACTIVE), "blue")
    for odd in [*map(chr, range(0xA1)), "\u2028", "\u2029", "\ufeff", "\U0001f600", "\ud800", "\r\n"]:
        values = dict(zip("ABCDE", (odd, f"{odd}a", f"a{odd}b", f"a {odd}", f"'{odd}"), strict=True))
        spec = EndpointSpec("shop", (entity,), tags={f"{odd}x": odd}, environment_vars=values)
        assert read(specs.text(spec)) == [spec], repr(odd)


def test_the_schema_is_that_of_the_api() -> None:
    from pydantic import TypeAdapter

    found, api = specs.schema(), TypeAdapter(EndpointSpec).json_schema()
    assert found["properties"] == api["properties"]
    assert found["$defs"].keys() == api["$defs"].keys()
    assert found["additionalProperties"] is found["$defs"]["ServedEntity"]["additionalProperties"] is False


class Fake:
    """As much of the client as apply uses, over a dictionary."""

    def __init__(self) -> None:
        self.stored: dict[str, Endpoint] = {}
        self.puts: list[tuple[EndpointSpec, dict[str, str]]] = []
        self.slow, self.refuses = False, ""
        self.meanwhile: Callable[[], None] | None = None

    def __enter__(self) -> Fake:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def endpoint(self, name: str) -> Endpoint:
        if name not in self.stored:
            raise NotFound(f"endpoint {name!r} does not exist")
        return self.stored[name]

    def endpoints(self) -> list[Endpoint]:
        return list(self.stored.values())

    def rehearse_endpoint(self, spec: EndpointSpec, values: dict[str, str]) -> Endpoint:
        if spec.name == self.refuses:
            raise NotFound("model iris is gone")
        if sum(each.traffic for each in spec.entities) != 100:
            raise InvalidParameter("entities must share 100 percent", details={"field": "entities"})
        before = self.stored.get(spec.name)
        generation = before.generation if before else 0
        same = before is not None and before.spec == spec and not values
        status = EndpointStatus(ServiceState.READY, "", UpdateState.NOT_UPDATING, "", generation)
        return Endpoint(spec, generation + (not same), 0, 0, "ann", status)

    def put_endpoint(self, spec: EndpointSpec, values: dict[str, str]) -> Endpoint:
        self.stored[spec.name] = self.rehearse_endpoint(spec, values)
        self.puts.append((spec, dict(values)))
        return self.stored[spec.name]

    def wait_ready(self, name: str, generation: int, timeout: float) -> Endpoint:
        assert generation == self.stored[name].generation
        work, self.meanwhile = self.meanwhile, None
        if work is not None:
            work()
        if self.slow:
            raise DeadlineExceeded(f"endpoint {name} is not ready")
        return self.stored[name]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    found = Fake()
    monkeypatch.setattr("jupyter_modelserve.cli.apply.connect", lambda: found)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "shop.yaml"
    found.write_text(SHOP)
    return found


@pytest.mark.req("REQ-158")
def test_applying_twice_does_nothing_the_second_time(fake: Fake, file: Path, capsys: Any) -> None:
    assert main(["apply", "-f", str(file)]) == 0
    assert main(["apply", "-f", str(file)]) == 0
    assert capsys.readouterr().out == "shop created\nshop READY\nshop unchanged\n"
    assert fake.stored["shop"].generation == 1


def test_an_endpoint_that_is_so_already_is_waited_for(fake: Fake, file: Path, capsys: Any) -> None:
    fake.slow = True
    assert main(["apply", "-f", str(file), "--no-wait"]) == 0
    assert main(["apply", "-f", str(file)]) == 1
    assert main(["apply", "-f", str(file)]) == 1
    told = capsys.readouterr()
    assert told.out == "shop created\nshop unchanged\nshop unchanged\n"
    assert told.err == "error: endpoint shop is not ready\n" * 2
    fake.slow = False
    assert main(["apply", "-f", str(file)]) == 0


def test_what_changes_while_others_are_waited_for_is_changed_back(fake: Fake, file: Path, capsys: Any) -> None:
    def change() -> None:
        shop = fake.stored["shop"]
        fake.stored["shop"] = replace(shop, spec=replace(shop.spec, tags={"team": "theirs"}), generation=9)

    main(["apply", "-f", str(file)])
    (file.parent / "first.yaml").write_text(SHOP.replace("shop", "first"))
    fake.meanwhile = change
    capsys.readouterr()
    assert main(["apply", "-f", str(file.parent)]) == 0
    assert capsys.readouterr().out == "first created\nfirst READY\nshop changed\nshop READY\n"
    assert fake.stored["shop"].spec.tags == {"team": "fraud"}


def test_a_refusal_after_the_rehearsal_names_the_file_as_well(fake: Fake, file: Path, capsys: Any) -> None:
    def forget() -> None:
        fake.refuses = "shop"

    main(["apply", "-f", str(file)])
    (file.parent / "first.yaml").write_text(SHOP.replace("shop", "first"))
    fake.meanwhile = forget
    assert main(["apply", "-f", str(file.parent)]) == 1
    assert capsys.readouterr().err == f"error: {file}:1: model iris is gone\n"


def test_what_is_being_deleted_is_not_exported(fake: Fake, file: Path, capsys: Any) -> None:
    main(["apply", "-f", str(file)])
    fake.stored["gone"] = replace(
        fake.stored["shop"], spec=replace(fake.stored["shop"].spec, name="gone"), deleting=True
    )
    capsys.readouterr()
    assert main(["export"]) == 0
    assert [each["name"] for each in yaml.safe_load_all(capsys.readouterr().out)] == ["shop"]
    assert main(["export", "gone"]) == 1
    assert capsys.readouterr().err == "error: endpoint 'gone' is being stopped\n"


def test_a_dry_run_changes_nothing_and_shows_what_differs(fake: Fake, file: Path, capsys: Any) -> None:
    main(["apply", "-f", str(file)])
    file.write_text(SHOP.replace("90", "50").replace("traffic: 10", "traffic: 50"))
    capsys.readouterr()
    assert main(["apply", "-f", str(file), "--dry-run", "--diff"]) == 0
    out = capsys.readouterr().out
    assert "-  traffic: 90\n+  traffic: 50\n" in out
    assert out.endswith("shop would be changed\n")
    assert len(fake.puts) == 1


def test_nothing_is_changed_when_one_of_several_is_wrong(fake: Fake, file: Path, capsys: Any) -> None:
    (file.parent / "z.yaml").write_text(SHOP.replace("shop", "other").replace("traffic: 10", "traffic: 5"))
    assert main(["apply", "-f", str(file.parent)]) == 1
    assert f"error: {file.parent}/z.yaml:2: entities must share 100 percent" in capsys.readouterr().err
    (file.parent / "z.yaml").write_text(SHOP)
    assert main(["apply", "-f", str(file.parent)]) == 1
    assert "z.yaml:1: name: endpoint shop is in " in capsys.readouterr().err
    assert fake.puts == []


def test_secrets_come_from_the_environment(
    fake: Fake, file: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "hunter2")
    assert main(["apply", "-f", str(file), "--secret-from-env", "API_KEY"]) == 0
    assert fake.puts[0][1] == {"API_KEY": "hunter2"}
    assert main(["apply", "-f", str(file), "--secret-from-env", "OTHER"]) == 1
    monkeypatch.delenv("API_KEY")
    assert main(["apply", "-f", str(file), "--secret-from-env", "API_KEY"]) == 1
    told = capsys.readouterr()
    assert "no file lists it" in told.err
    assert "the environment has no such variable" in told.err
    assert "hunter2" not in told.out + told.err


def test_export_and_apply_are_each_others_reverse(
    fake: Fake, file: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["apply", "-f", str(file)])
    fake.stored["second"] = replace(fake.stored["shop"], spec=replace(fake.stored["shop"].spec, name="second"))
    capsys.readouterr()
    assert main(["export"]) == 0
    text = capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["apply", "-f", "-", "--no-wait"]) == 0
    assert capsys.readouterr().out == "shop unchanged\nsecond unchanged\n"
    assert main(["export", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "EndpointSpec"
    assert main(["export", "nothing"]) == 1


def test_a_missing_file_is_one_line(fake: Fake, tmp_path: Path, capsys: Any) -> None:
    assert main(["apply", "-f", str(tmp_path / "none.yaml")]) == 1
    assert main(["apply", "-f", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "none.yaml: No such file" in told
    assert "holds no file" in told
