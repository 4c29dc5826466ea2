"""`runstream doctor`: whether everything is as it should be."""

from __future__ import annotations

import sys
import time
from typing import Final

from runstream_analytics.cli import options, terminal
from runstream_schemas.exit_codes import ExitCode

HELP: Final = """\
Check settings, machine, log and store, and say how to mend what is not well.

Shows each setting with where it comes from (passwords hidden). The exit status is 0 unless a check fails; warnings do
not count.

\b
Examples:
  runstream doctor
  runstream doctor --json | jq '.[] | select(.status != "ok")'
"""


def doctor(
    as_json: options.JsonOption = False,
    directory: options.DirOption = None,
    url: options.UrlOption = None,
    store: options.StoreOption = None,
    artifacts: options.ArtifactsOption = None,
) -> None:
    """Check settings, machine, log and store, and say how to mend what is not well."""
    settings = options.settings_from(directory, url, store, artifacts)
    now_us = time.time_ns() // 1000

    from runstream_analytics.checks import data, machine

    checks = [*machine.check_settings(settings), machine.check_python(), *machine.check_packages()]
    checks += [machine.check_clock(now_us), machine.check_space(settings.dir), machine.check_journal_place(settings)]
    checks.append(machine.check_writable("directory", settings.dir))
    if settings.log_dir is not None:
        checks.append(machine.check_writable("log directory", settings.log_dir))
    else:
        checks.append(data.check_topics(settings))
    checks += [data.check_journals(settings), data.check_staging(settings), data.check_spill(settings)]
    with terminal.patience("opening the store") as listener:
        checks += [data.check_dead_letters(settings), *data.check_store(settings, listener, now_us)]
    if as_json:
        terminal.show_json([check.as_object() for check in checks])
    else:
        from runstream_analytics.render.checks import checks_table

        terminal.show(checks_table(checks))
    if any(check.status == "fail" for check in checks):
        sys.exit(ExitCode.INCOMPLETE)
