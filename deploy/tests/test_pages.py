"""The commands of the book's pages for operators work, and show what the pages say."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from stack import ROOT
from test_readme import AWS, Commands

BOOK = ROOT / "docs/src"
# A block of commands and, where one follows at once, the block with what they show.
BLOCKS = re.compile(r"(?ms)^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```$)?")


def plain(text):
    """The text without what is new each time: instance ids and times."""
    text = re.sub(r"\bi-[0-9a-f]{17}\b", "i-0123456789abcdef0", text)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "2026-12-02T10:00:00Z", text)


class Pages(Commands):
    maxDiff = None

    def follow(self, page):
        """Runs the commands of a page in one shell, so that variables and functions stay."""
        blocks = BLOCKS.findall((BOOK / page).read_text())
        self.assertTrue(blocks)
        scratch = tempfile.TemporaryDirectory(dir=os.environ["SCRATCH"])
        self.addCleanup(scratch.cleanup)
        shown = Path(scratch.name)
        # What a block shows goes to a file.
        script = "set +e\ncargo() { :; }\n" + AWS
        for number, (commands, _) in enumerate(blocks):
            script += f"{{\n{commands}}} >{shown}/{number} 2>&1\necho $? >{shown}/{number}.code\n"
        try:
            self.run_all(script + "wait\n", os.environ | {"ENFORCER_ADMIN__LISTEN": "off"})
        except subprocess.TimeoutExpired:
            # The cause may be a block further up, such as a variable that it left empty.
            files = sorted(shown.glob("*[0-9]"), key=lambda file: int(file.name))
            said = "\n".join(f"block {file.name}: {file.read_text()}" for file in files)
            self.fail(f"{page} hangs in the last of these blocks, or after it:\n{said}")
        for number, (commands, expected) in enumerate(blocks):
            code, said = (shown / f"{number}.code").read_text(), (shown / str(number)).read_text()
            is_refused = "did you mean" in expected
            self.assertEqual(code, "78\n" if is_refused else "0\n", f"{commands}\n{said}")
            if expected:
                self.assertEqual(plain(said), expected, commands)

    def test_writing_policies_can_be_followed_from_nothing_to_an_enforced_policy(self):
        self.follow("policies.md")

    def test_rolling_out_can_be_followed_from_a_look_to_a_budget(self):
        self.follow("rolling-out.md")

    def test_a_notice_can_be_answered(self):
        self.follow("answering.md")

    def test_a_wrong_policy_can_be_undone(self):
        self.follow("wrong-policy.md")
