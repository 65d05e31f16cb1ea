"""A settled myth as text or JSON: the claim, the lines of the run, what they show, the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lwipscope.glossary.myth import Myth
from lwipscope.glossary.settling import Settled
from lwipscope.report.style import Style, safe
from lwipscope.words.catalogue import Translator
from lwipscope.words.width import pad, width, wrap

WIDTH = 96


def listed(myths: Sequence[Myth], tr: Translator) -> str:
    """The claims, none of them settled."""
    columns = max(len(myth.name) for myth in myths) + 2
    lines = []
    for myth in myths:
        claim = tr('"{claim}"', claim=tr(myth.claim))
        lines += wrap(claim, WIDTH, first=f"  {pad(myth.name, columns)}", rest=" " * (columns + 2))
    end = tr(
        "`lwipscope myth NAME` plays a run on the emulated board that settles it; --all does so "
        "for all of them."
    )
    return "\n".join([*lines, "", *wrap(end, WIDTH)])


def shown(result: Settled, tr: Translator, dress: Style) -> str:
    """One myth, with its evidence."""
    return "\n".join(_lines(result, tr, dress))


def _lines(result: Settled, tr: Translator, dress: Style) -> Iterator[str]:
    myth = result.myth
    yield dress.paint(tr('"{claim}"', claim=tr(myth.claim)), "bold")
    yield ""
    if myth.scenario_shown:
        yield tr("played on the board: scenario {name}", name=myth.scenario.name)
    else:
        yield tr("played on the board: a run of its own ({name})", name=myth.scenario.name)
    colour = "green" if result.settled else "red"
    if result.finding is not None:
        yield tr("what was recorded:")
        for each in result.finding.lines:
            yield dress.paint(safe(each), "cyan")
        yield ""
        yield dress.paint(result.outcome(tr), colour, "bold")
        yield from wrap(safe(result.finding.text(tr)), WIDTH, first="  ", rest="  ")
    else:
        yield dress.paint(result.outcome(tr), colour, "bold")
        why = tr("this run does not show it: {why}", why=result.reason(tr))
        yield from wrap(safe(why), WIDTH, first="  ", rest="  ")
    yield ""
    yield tr("what is true:")
    yield from wrap(tr(myth.truth), WIDTH, first="  ", rest="  ")
    yield f"  RFC 9293 {_rfc(myth, tr)}"
    yield f"  lwIP {myth.lwip}"


def _rfc(myth: Myth, tr: Translator) -> str:
    return tr(myth.rfc) if myth.rfc.startswith("none") else myth.rfc


def table(results: Sequence[Settled], tr: Translator, dress: Style) -> str:
    """A line for each, and how many are settled."""
    columns = max(width(each.outcome(tr)) for each in results) + 2
    lines = []
    for each in results:
        colour = "green" if each.settled else "red"
        outcome = dress.paint(pad(each.outcome(tr), columns), colour)
        lines.append(outcome + tr('"{claim}"', claim=tr(each.myth.claim)))
        if not each.settled:
            lines += wrap(safe(each.reason(tr)), WIDTH, first=" " * columns, rest=" " * columns)
    settled = sum(each.settled for each in results)
    end = tr("{settled} of {count} settled", settled=settled, count=len(results))
    return "\n".join([*lines, "", end])


def as_json(myth: Myth, result: Settled | None, tr: Translator) -> dict[str, object]:
    """One myth for programs, played or not; keys and `outcome` are English in every language."""
    finding = result.finding if result is not None else None
    outcome = None
    if result is not None:
        good = {"wrong": "disproved", "half": "half true"}[myth.kind]
        outcome = good if result.settled else "not settled"
    return {
        "name": myth.name,
        "claim": tr(myth.claim),
        "outcome": outcome,
        "shows": finding.text(tr) if finding is not None else "",
        "evidence": list(finding.lines) if finding is not None else [],
        "why_not": result.reason(tr) if result is not None else "",
        # The truth of a myth that was not played is not given away.
        "truth": tr(myth.truth) if result is not None else "",
        "rfc": myth.rfc,
        "lwip": myth.lwip,
        "scenario": myth.scenario.name,
    }
