"""The command `scionwood ask`."""

from __future__ import annotations

from scionwood.arguments import RunPath
from scionwood.errors import PluginError, ScionwoodError
from scionwood.planning import check_plan, draft, is_plain, rank_tools
from scionwood.terminal import print_table


def ask(request: str, *, run: RunPath | None = None, n: int = 3) -> None:
    """Print the command that answers a request; nothing is run.

    Commands are ranked by the words that they share with the request. Words in capital letters are
    arguments that the request does not name. If the first one shares too few words, the nearest are
    listed and none is proposed. Check the command before you run it.

    Args:
        request: what you want, in English, such as "remove ground roll from line.sgy".
        run: a run of the recipe language/tool_planning, whose plan is printed too, if it is valid.
        n: how many commands to list.

    Raises:
        PluginError: no command shares a word with the request.
        TrainingError: the run is not finished.
    """
    ranked = [pair for pair in rank_tools(request) if pair[0] > 0][: max(1, n)]
    if not ranked:
        rule = "no command shares a word with it"
        raise PluginError(f"request {request!r}", rule, "See: scionwood plugins")
    best = ranked[0][1]
    print(draft(request, best) if is_plain(request, best) else "No command is plain. The nearest:")
    if run is not None:
        _print_planned(request, run)
    print()
    rows = [(tool.name, tool.summary) for _, tool in ranked]
    print_table(("command", "what it does"), rows)


def _print_planned(request: str, run: RunPath) -> None:
    from scionwood import discovery

    line = discovery.load("functions", "language/plan")(request, run)
    try:
        check_plan(line)
    except ScionwoodError as error:
        print(f"the run plans {line!r}, which is refused: {error.rule}")
    else:
        print(f"the run plans: {line}")
