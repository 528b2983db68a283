"""`make conformance`: run the scenarios that are for our hub, and print how each went.

Exit status: 0 all passed (or, with --if-available, the suite can't be had here); 1 one did not; 2 it can't be had.
"""

# ruff: noqa: T201 - the table is its product

import sys

from tests import npm
from tests.conformance import suite
from tests.conformance.scenarios import NOT_APPLICABLE, SCENARIOS


def main() -> int:
    try:
        npm.node()
        suite.PACKAGES.install()
    except npm.UnavailableError as error:
        print(f"The conformance suite was not run: {error}.")
        return 0 if "--if-available" in sys.argv[1:] else 2
    outcomes = [suite.run(scenario) for scenario in SCENARIOS]
    width = max(map(len, SCENARIOS))
    for each in outcomes:
        verdict = "passed" if each.is_passed else "FAILED"
        again = f", attempt {each.attempts}" if each.attempts > 1 else ""
        print(f"{each.scenario:{width}}  {verdict}  {each.count('SUCCESS')} checks{again}")
    for reason in dict.fromkeys(NOT_APPLICABLE.values()):
        print(f"not run, because {reason}:")
        print(*(f"  {scenario}" for scenario, why in NOT_APPLICABLE.items() if why == reason), sep="\n")
    failed = [each for each in outcomes if not each.is_passed]
    for each in failed:
        print(f"\n--- {each.scenario}\n{each.log}")
    print(f"conformance: {len(outcomes) - len(failed)} passed, {len(failed)} failed, {len(NOT_APPLICABLE)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
