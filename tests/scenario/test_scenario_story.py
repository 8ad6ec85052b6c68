"""Stories: the one that the package carries, and what is wrong with others."""

import pytest

from smartsale_emu.errors import ProfileError
from smartsale_emu.register.session import FinalHabit
from smartsale_emu.runtime.resources import read_scenario
from smartsale_emu.scenario.story import parse_story


def test_the_story_of_the_demo() -> None:
    text, origin = read_scenario("first-steps")
    story = parse_story(text, origin=origin)
    assert [step.operation for step in story.steps] == ["test", "sale", "sale", "sale", "reversal"]
    assert story.steps[3].final is FinalHabit.NONE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = 'x'\nstep ]", "line 2"),
        ("title = 'x'", "a story has a title and tables"),
        ("title = 'x'\n[[step]]\ntell = 'y'", "step 1: needs tell"),
        ("title = 'x'\n[[step]]\ntell = 'y'\noperation = 'dance'", "step 1: needs tell"),
        ("title = 'x'\n[[step]]\ntell = 'y'\noperation = 'sale'\namont = 1", "step 1: amont: is not a key"),
        (
            "title = 'x'\n[[step]]\ntell = 'y'\noperation = 'sale'\nfinal = 'nod'",
            "step 1: final: must be one of",
        ),
    ],
)
def test_a_wrong_story_says_where(text: str, said: str) -> None:
    with pytest.raises(ProfileError, match=r"^x\.toml: ") as error:
        parse_story(text, origin="x.toml")
    assert said in str(error.value)
