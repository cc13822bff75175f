"""As much of a runner of GitHub's workflows as action.yml and the workflows for prompts use.

What it does not know, an expression, an action or a key of a step, is an error: nothing is passed over in silence.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Unknown(Exception):
    """Something that this runner does not know, so that what it would do is not what GitHub does."""


TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(-?\d+(?:\.\d+)?)|([A-Za-z_][\w-]*)|(==|!=|&&|\|\||[!().,]))")


class Expression:
    """`${{ … }}`: literals, contexts, `==`, `!=`, `&&`, `||`, `!`, parentheses, and four functions."""

    def __init__(self, text, contexts, failed):
        self.tokens, self.contexts, self.failed, self.status = [], contexts, failed, False
        position = 0
        while text[position:].strip():
            found = TOKEN.match(text, position)
            if not found:
                raise Unknown(f"the expression {text!r} at {text[position:]!r}")
            self.tokens.append(found)
            position = found.end()
        self.text, self.position = text, 0

    def peek(self):
        return self.tokens[self.position][0].strip() if self.position < len(self.tokens) else None

    def take(self, wanted=None):
        if self.position >= len(self.tokens) or (wanted and self.peek() != wanted):
            raise Unknown(f"the expression {self.text!r}: {wanted} is missing")
        self.position += 1
        return self.tokens[self.position - 1]

    def value(self):
        result = self.either()
        if self.peek() is not None:
            raise Unknown(f"the expression {self.text!r} goes on with {self.peek()!r}")
        return result

    def either(self):
        left = self.both()
        while self.peek() == "||":
            self.take()
            right = self.both()
            left = left if truth(left) else right
        return left

    def both(self):
        left = self.equal()
        while self.peek() == "&&":
            self.take()
            right = self.equal()
            left = right if truth(left) else left
        return left

    def equal(self):
        left = self.unary()
        while self.peek() in ("==", "!="):
            operator = self.take()[0].strip()
            left = same(left, self.unary()) == (operator == "==")
        return left

    def unary(self):
        if self.peek() == "!":
            self.take()
            return not truth(self.unary())
        if self.peek() == "(":
            self.take()
            result = self.either()
            self.take(")")
            return result
        found = self.take()
        literal, number, name = found[1], found[2], found[3]
        if literal:
            return literal[1:-1].replace("''", "'")
        if number:
            return float(number) if "." in number else int(number)
        if name in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[name]
        if not name:
            raise Unknown(f"the expression {self.text!r}: {found[0]!r}")
        if self.peek() == "(":
            return self.call(name)
        return self.property(name)

    def call(self, name):
        self.take("(")
        arguments = []
        while self.peek() != ")":
            arguments.append(self.either())
            if self.peek() == ",":
                self.take()
        self.take(")")
        if name in ("always", "success", "failure"):
            self.status = True
            return {"always": True, "success": not self.failed, "failure": self.failed}[name]
        if name == "format":
            return re.sub(r"\{(\d+)\}", lambda found: string(arguments[int(found[1]) + 1]), arguments[0])
        raise Unknown(f"the function {name}()")

    def property(self, name):
        if name not in self.contexts:
            raise Unknown(f"the context {name!r} in {self.text!r}")
        value = self.contexts[name]
        while self.peek() == ".":
            self.take()
            key = self.take()[3]
            value = value.get(key, "") if isinstance(value, dict) else ""
        return value


def truth(value):
    return value not in (None, False, "", 0)


def same(left, right):
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    return left == right or (left in (None, "") and right in (None, ""))


def string(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def fill(text, contexts, failed=False):
    """A text with its expressions put in; numbers and the like are written as texts."""
    if not isinstance(text, str):
        return string(text)
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: string(Expression(found[1], contexts, failed).value()), text, flags=re.S)


class Job:
    """One job on a machine of its own, with the log that people would see."""

    def __init__(self, hub, event_name, event, token="job-token", environment=None):
        self.hub, self.token = hub, token
        self.temp = pathlib.Path(tempfile.mkdtemp(dir=hub.folder, prefix="runner-"))
        self.workspace = self.temp / "workspace"
        self.workspace.mkdir()
        self.summary = self.temp / "summary"
        self.summary.touch()
        (self.temp / "event.json").write_text(json.dumps(event))
        (self.temp / "home").mkdir()
        self.log = ""
        self.path = [str(hub.binary.parent), *os.environ["PATH"].split(os.pathsep)]
        self.github = {
            "event_name": event_name, "event": event, "repository": hub.repository, "token": token, "sha": "0" * 40,
            "server_url": "https://github.example", "run_id": "7", "run_attempt": "1", "action_repository": "",
        }
        self.environment = environment or {}

    def contexts(self, **more):
        return {"github": self.github, "runner": {"temp": str(self.temp), "os": "Linux"}, "env": {}, **more}

    def run_workflow(self, name, override):
        """The only job of a workflow of this repository; `override` are inputs for its action."""
        workflow = yaml.safe_load((ROOT / ".github/workflows" / name).read_text())
        assert len(workflow["jobs"]) == 1
        job = next(iter(workflow["jobs"].values()))
        condition = job.get("if")
        if condition and not truth(Expression(condition, self.contexts(), False).value()):
            self.log += "the job is skipped\n"
            return "skipped"
        return self.run_steps(job["steps"], self.contexts(), override)[0]

    def run_action(self, inputs):
        """action.yml with these inputs; what came of it and its outputs."""
        action = yaml.safe_load((ROOT / "action.yml").read_text())
        unknown = set(inputs) - set(action["inputs"])
        if unknown:
            raise Unknown(f"the inputs {unknown} of action.yml")
        given = {name: fill(what.get("default", ""), self.contexts()) for name, what in action["inputs"].items()}
        given.update({name: string(value) for name, value in inputs.items()})
        result, steps = self.run_steps(action["runs"]["steps"], self.contexts(inputs=given), {}, action_path=ROOT)
        contexts = self.contexts(inputs=given, steps=steps)
        self.outputs = {name: fill(what["value"], contexts) for name, what in action["outputs"].items()}
        return result

    def run_steps(self, steps, contexts, override, action_path=None):
        failed, results = False, {}
        for step in steps:
            unknown = set(step) - {"name", "id", "if", "uses", "with", "run", "shell", "env", "continue-on-error"}
            if unknown:
                raise Unknown(f"the keys {unknown} of a step")
            now = {**contexts, "steps": results}
            condition = step.get("if")
            wanted = not failed
            if condition is not None:
                expression = Expression(re.sub(r"^\$\{\{(.*)\}\}$", r"\1", str(condition), flags=re.S), now, failed)
                value = truth(expression.value())
                wanted = value and (expression.status or not failed)
            if not wanted:
                continue
            outputs = {}
            if "uses" in step:
                given = {name: fill(value, now, failed) for name, value in step.get("with", {}).items()}
                good = self.use(step["uses"], given, override)
            else:
                assert step.get("shell", "bash") == "bash", step
                good, outputs = self.run(step, now, action_path)
            results[step.get("id", "")] = {"outputs": outputs, "outcome": "success" if good else "failure"}
            if not good and not step.get("continue-on-error"):
                failed = True
        return ("failure" if failed else "success"), results

    def run(self, step, contexts, action_path):
        files = {name: self.temp / name for name in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_ENV")}
        for file in files.values():
            file.write_text("")
        script = self.temp / "script.sh"
        script.write_text(fill(step["run"], contexts))
        environment = {
            "PATH": os.pathsep.join(self.path), "HOME": str(self.temp / "home"), "CI": "true", "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": self.hub.repository, "GITHUB_API_URL": self.hub.api, "RUNNER_TEMP": str(self.temp),
            "GITHUB_EVENT_PATH": str(self.temp / "event.json"), "GITHUB_EVENT_NAME": self.github["event_name"],
            "GITHUB_STEP_SUMMARY": str(self.summary), "GITHUB_WORKSPACE": str(self.workspace), "LANG": "C.UTF-8",
            "GITHUB_RUN_ID": "7", "GITHUB_SERVER_URL": self.github["server_url"],
            **{name: str(file) for name, file in files.items()}, **self.environment,
        }
        if action_path:
            environment["GITHUB_ACTION_PATH"] = str(action_path)
        environment.update({name: fill(value, contexts) for name, value in step.get("env", {}).items()})
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        done = subprocess.run(command, cwd=self.workspace, env=environment, stdin=subprocess.DEVNULL, capture_output=True)
        self.log += f"=== {step.get('name', '')}\n" + done.stdout.decode() + done.stderr.decode()
        self.log += f"=== exit code {done.returncode}\n"
        self.path = files["GITHUB_PATH"].read_text().split("\n")[:-1][::-1] + self.path
        outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        return done.returncode == 0, outputs

    def use(self, action, given, override):
        name = action.split("@")[0]
        if name == "./":
            # Here the action comes from this repository, whatever the workflow checked out.
            return self.run_action({**given, **override}) == "success"
        if name == "actions/checkout":
            known = {"fetch-depth", "persist-credentials"}
            if set(given) - known or given.get("persist-credentials") != "false":
                raise Unknown(f"a checkout with {given}")
            self.hub.checkout(self.github, self.workspace, int(given.get("fetch-depth", "1")))
            return True
        if name == "actions/upload-artifact":
            source, target = pathlib.Path(given["path"]), self.hub.folder / "artifacts" / given["name"]
            shutil.rmtree(target, ignore_errors=True)
            if source.is_dir():
                shutil.copytree(source, target)
            return True
        if name == "actions/download-artifact":
            assert given["run-id"] == "7" and given["github-token"] == self.token, given
            source, target = self.hub.folder / "artifacts" / given["name"], pathlib.Path(given["path"])
            assert not target.exists(), "a fresh folder"
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True)
            return source.is_dir()
        if name == "actions/cache":
            (self.workspace / given["path"]).mkdir(exist_ok=True)
            self.log += f"=== cache {given['key']}\n"
            return True
        raise Unknown(f"the action {action}")
