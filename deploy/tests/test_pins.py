"""What a build fetches by name is pinned: images by digest, actions by commit."""

import re
import unittest

import yaml

from stack import ROOT

DIGEST = re.compile(r"[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}")
COMMIT = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def workflows():
    return {path.name: path.read_text() for path in (ROOT / ".github/workflows").iterdir()}


def images(dockerfile):
    """The images that a Dockerfile builds on or copies from, its own stages left out."""
    stages = re.findall(r"(?mi)^FROM .* AS (\S+)$", dockerfile)
    named = re.findall(r"(?mi)^FROM (?:--\S+ )*(\S+)", dockerfile)
    named += re.findall(r"(?mi)--(?:mount=\S*)?from=([^\s,]+)", dockerfile)
    named += re.findall(r"(?mi)^# *syntax *= *(\S+)", dockerfile)
    return [name for name in named if name not in stages]


def actions(workflow):
    return re.findall(r"(?m)^\s*(?:- )?uses: *(.*)$", workflow)


class Pins(unittest.TestCase):
    def test_images_are_pinned_by_digest(self):
        found = images((ROOT / "deploy/Dockerfile").read_text())
        self.assertEqual(len(found), 2)
        for image in found:
            self.assertRegex(image, DIGEST.pattern + "$")

    def test_actions_are_pinned_by_commit_with_the_version_beside_it(self):
        found = [action for text in workflows().values() for action in actions(text)]
        self.assertTrue(found)
        for action in found:
            self.assertTrue(COMMIT.fullmatch(action), action)

    def test_what_is_not_pinned_is_seen(self):
        for line in ("FROM rust:1.95", "FROM rust", "COPY --from=alpine:3 /a /b", "# syntax=docker/dockerfile:1"):
            self.assertFalse(DIGEST.fullmatch(images(line)[0]), line)
        for action in ("actions/checkout@v7", "a/b@main", f"a/b@{'0' * 40}", f"a/b@{'0' * 39} # v1.0.0"):
            self.assertFalse(COMMIT.fullmatch(actions(f"      - uses: {action}\n")[0]), action)
        self.assertEqual(images("FROM a@b AS build\nCOPY --from=build /a /b"), ["a@b"])

    def test_somebody_asks_for_newer_ones(self):
        asked = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
        self.assertEqual(
            {(update["package-ecosystem"], update["directory"]) for update in asked},
            {("docker", "/deploy"), ("github-actions", "/")},
        )
