"""What a run found out: settled over its rounds, kept in a file, shown as a table and as a picture."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from conformance.bench.__main__ import main
from conformance.bench.chart import CHARTED, as_svg
from conformance.bench.figures import Figure, percentile, settle
from conformance.bench.gates import GATES_FILE, judge, load_gates
from conformance.bench.metrics import METRICS
from conformance.bench.record import BadRecord, Found, Record
from conformance.bench.sections import SECTIONS
from conformance.bench.table import as_markdown, as_text, shown, times

SVG = "{http://www.w3.org/2000/svg}"


def a_record() -> Record:
    ours = Found({"a.init_ms": [20.0, 22.0, 21.0], "g.50mb_ms": [90.0], "d.small_per_s": [1_200_000.0]})
    peer = Found({"a.init_ms": [400.0, 410.0, 420.0], "g.50mb_ms": [180.0], "d.small_per_s": [50_000.0]})
    weak = Found({"a.init_ms": [105.0]})
    weak.add_failure("(g) big_prompts", ["g.50mb_ms"], "it closed its input <&>")
    circumstances = {"date": "2026-01-02", "rounds": 3, "versions": {"pysdk": "some-sdk 1"}}
    return Record({"ours": ours, "pysdk": peer, "tssdk": weak}, circumstances)


@pytest.mark.parametrize(
    ("values", "settled"),
    [
        ([3.0, 1.0, 2.0], 2.0),
        ([1.0, "failed: a", "failed: b", "failed: b"], "failed: b"),
        ([1.0, 2.0, "failed: a"], 1.5),
        ([1.0, "failed: a"], "failed: a"),
        ([], None),
    ],
)
def test_rounds_settle_on_the_median_unless_half_of_them_failed(values: list[Figure], settled: Figure | None) -> None:
    assert settle(values) == settled


def test_a_percentile_is_one_of_the_values() -> None:
    values = list(range(1, 101))
    assert [percentile(values, percent) for percent in (0, 50, 99, 100)] == [1, 51, 99, 100]
    assert percentile([7], 99) == 7


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    record = a_record()
    record.save(tmp_path / "results.json")
    assert Record.load(tmp_path / "results.json") == record


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"found": {}, "circumstances": {}}', '{"found": {"ours": 1}}'])
def test_a_file_with_something_else_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(BadRecord, match=r"results\.json"):
        Record.load(path)


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (None, "-"),
        (0, "0"),
        (1_234_567.8, "1,234,568"),
        (123.4, "123"),
        (12.34, "12.3"),
        (0.5, "0.50"),
        (0.01234, "0.0123"),
    ],
)
def test_figures_are_shown_with_three_digits(figure: Figure | None, text: str) -> None:
    assert shown(figure) == text


def test_ratios_are_shown_with_three_digits() -> None:
    assert [times(ratio) for ratio in (0.954, 9.994, 15.73, 123.4)] == ["x0.95", "x9.99", "x15.7", "x123"]


def test_a_row_has_our_figure_the_peers_with_ratios_and_the_gates() -> None:
    record = a_record()
    text = as_text(record, judge(load_gates(), record))
    [row] = [line for line in text.splitlines() if line.startswith("(a) start of the process to the answer")]
    cells = row.split("  ")
    assert [cell.strip() for cell in cells if cell.strip()][1:] == [
        "21.0",
        "410 (x19.5)",
        "105 (x5.00)",
        "pysdk ≥ x10: met · tssdk ≥ x4: met",
    ]


def test_below_the_table_stand_the_gates_and_the_failures() -> None:
    record = a_record()
    text = as_text(record, judge(load_gates(), record))
    assert "gates: 5 met, 0 missed, 38 not measured" in text
    assert "tssdk failed (g) big_prompts once: it closed its input <&>" in text


def test_metrics_of_which_nobody_has_a_figure_have_no_row() -> None:
    assert "session/new" not in as_text(a_record(), [])


def test_markdown_has_as_many_cells_in_every_line_of_the_table() -> None:
    record = a_record()
    table = [line for line in as_markdown(record, []).splitlines() if line.startswith("|")]
    assert len(table) == 2 + 3
    assert {line.count("|") for line in table} == {6}


def test_a_system_without_proc_is_told_of() -> None:
    record = a_record()
    record.circumstances["proc"] = False
    assert "this system has no /proc" in as_text(record, [])


@pytest.mark.parametrize(("loads", "told"), [([0.3, 1.9], False), ([0.3, 9.5], True), ([], False)])
def test_a_busy_machine_is_told_of(loads: list[float], told: bool) -> None:
    record = a_record()
    record.circumstances |= {"cpus": 2, "load_average": loads}
    assert ("the machine was busy (load average up to 9.5 on 2 CPUs)" in as_text(record, [])) == told


def test_the_chart_has_a_dot_for_each_ratio_and_a_mark_for_each_gate() -> None:
    record = a_record()
    judged = judge(load_gates(), record)
    root = ElementTree.fromstring(as_svg(record, judged))
    dots = [dot for dot in root.iter(f"{SVG}circle") if dot.find(f"{SVG}title") is not None]
    assert len(dots) == 4
    assert "x19.5 better than pysdk" in [title.text for title in root.iter(f"{SVG}title")]
    marks = [line for line in root.iter(f"{SVG}line") if "required p" in line.attrib["class"]]
    assert len(marks) == 5
    assert "tssdk failed" in [text.text for text in root.iter(f"{SVG}text")]


def test_the_chart_keeps_everything_inside_itself() -> None:
    record = a_record()
    record.found["pysdk"].figures["a.init_ms"] = [1e6]
    record.found["tssdk"].figures["a.init_ms"] = [0.01]
    root = ElementTree.fromstring(as_svg(record, judge(load_gates(), record)))
    for dot in root.iter(f"{SVG}circle"):
        assert 0 < float(dot.attrib["cx"]) < float(root.attrib["width"])
        assert 0 < float(dot.attrib["cy"]) < float(root.attrib["height"])


def test_a_chart_without_peers_is_still_a_picture() -> None:
    record = Record({"ours": Found({"a.init_ms": [1.0]})}, {})
    assert ElementTree.fromstring(as_svg(record, [])).tag == f"{SVG}svg"


def test_the_chart_shows_metrics_that_exist() -> None:
    assert set(CHARTED) <= set(METRICS)


def test_every_metric_is_measured_by_one_part_of_one_section() -> None:
    parts = [part for section in SECTIONS.values() for part in section]
    for key in METRICS:
        assert len([part for part in parts if key.startswith(part.gives)]) == 1, key


def test_results_are_shown_again_and_judged_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "results.json"
    record = a_record()
    record.save(file)
    assert main(["--results", str(file), "--out", str(tmp_path / "again")]) == 0
    assert capsys.readouterr().out == as_text(record, judge(load_gates(), record))
    assert {path.name for path in (tmp_path / "again").iterdir()} == {"results.json", "results.md", "chart.svg"}

    record.found["ours"].figures["a.init_ms"] = [100.0]
    record.save(file)
    assert main(["--results", str(file)]) == 1

    record.found["pysdk"] = Found({"a.init_ms": ["failed: it cannot be started"]})
    record.save(file)
    assert main(["--results", str(file)]) == 3
    assert "pysdk gave no figure at all" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--agent", "x", "--only", "az"],
        ["--agent", "x", "--against", "nobody"],
        ["--agent", "x", "--against", "floor", "--also", "floor=y"],
        ["--agent", "x", "--against", "", "--also", "=y"],
        ["--agent", "x", "--rounds", "0"],
        ["--agent", "x 'y", "--against", ""],
        ["--agent", "", "--against", ""],
        ["--results", "/nowhere/results.json"],
        ["--agent", "x", "--gates", "/nowhere/gates.toml"],
    ],
)
def test_wrong_use_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_the_gates_file_stands_beside_the_code() -> None:
    assert GATES_FILE.is_file()
