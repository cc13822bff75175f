"""Pull requests of a sample repository, good, bad, stale and hostile, through action.yml and the workflows for prompts."""

import hashlib
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.parse

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from runner import ROOT, Job  # noqa: E402

TOKEN = "job-token"
MARKER = "<!-- promptctl:report -->"


class Hub:
    """A repository, its pull requests, its artifacts, and the API of the host."""

    repository = "owner/shop"

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.origin = folder / "origin"
        self.comments, self.calls, self.pulls, self.writes = [], [], [], 0
        handler = type("Handler", (Api,), {"hub": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.api = f"http://127.0.0.1:{self.server.server_address[1]}"

    def git(self, *arguments, check=True):
        done = subprocess.run(["git", "-C", self.origin, *arguments], check=False, capture_output=True, text=True, env=AUTHOR)
        if check and done.returncode:
            raise RuntimeError(f"git {arguments}: {done.stderr}")
        return done.stdout.strip()

    def promptctl(self, *arguments):
        """As a person on a machine of their own."""
        return subprocess.run([self.binary, "-C", self.origin, *arguments], capture_output=True, text=True, env=AUTHOR, check=False)

    def branch(self, name, edits, record=True, start="main"):
        """A branch with one commit that edits files; what is not recorded is asked for, unless its author forgot."""
        self.git("checkout", "-q", "-B", name, start)
        for file, (old, new) in edits.items():
            path = self.origin / file
            text = path.read_text() if path.exists() else ""
            assert old in text, (file, old)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace(old, new) if old else text + new)
        if record:
            self.promptctl("test")
            self.promptctl("accept", "--all")
        self.git("add", "-A")
        self.git("commit", "-qm", f"Edit for {name}")
        self.git("checkout", "-q", "main")

    def pull(self, number, branch, fork=False):
        """The event of a pull request, whose merge commit the host has made."""
        self.git("checkout", "-q", "--detach", "main")
        self.git("merge", "-q", "--no-ff", "-m", f"Merge {branch} into main", branch)
        self.git("update-ref", f"refs/pull/{number}/merge", "HEAD")
        self.git("update-ref", f"refs/pull/{number}/head", branch)
        self.git("checkout", "-q", "main")
        owner = "stranger/shop" if fork else self.repository
        pull = {
            "number": number, "state": "open",
            "head": {"ref": branch, "sha": self.git("rev-parse", branch), "repo": {"full_name": owner}, "label": f"{owner.split('/')[0]}:{branch}"},
            "base": {"ref": "main", "sha": self.git("rev-parse", "main"), "repo": {"full_name": self.repository}},
        }
        self.pulls = [other for other in self.pulls if other["number"] != number] + [pull]
        return {"pull_request": pull, "number": number, "repository": {"full_name": self.repository, "default_branch": "main"}}

    def checkout(self, github, workspace, depth, ref=None):
        """What actions/checkout leaves: a commit on no branch, of a clone without credentials."""
        event = github["event"]
        ref = ref or (f"refs/pull/{event['number']}/merge" if "number" in event else "refs/heads/main")
        run = lambda *arguments: subprocess.run(["git", "-C", workspace, *arguments], check=True, capture_output=True, env=AUTHOR)
        run("init", "-q", "-b", "main")
        run("remote", "add", "origin", f"file://{self.origin}")
        if depth:
            run("fetch", "-q", "--no-tags", f"--depth={depth}", "origin", f"{ref}:refs/remotes/here")
        else:
            run("fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", f"{ref}:refs/remotes/here")
        run("checkout", "-q", "--detach", "refs/remotes/here")


class Api(http.server.BaseHTTPRequestHandler):
    """Comments of issues and the list of pull requests, as GitHub's API has them."""

    hub = None
    protocol_version = "HTTP/1.1"

    def answer(self, code, body, headers=()):
        data = json.dumps(body).encode()
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_call(self):
        hub, url = self.hub, urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        hub.calls.append((self.command, url.path))
        if self.command != "GET" and url.path != "/graphql":
            hub.writes += 1
        if self.headers.get("Authorization") not in (f"Bearer {TOKEN}", f"token {TOKEN}"):
            return self.answer(401, {"message": "Bad credentials"})
        prefix = f"/repos/{hub.repository}"
        if url.path == "/user":
            return self.answer(403, {"message": "Resource not accessible by integration"})
        if (self.command, url.path) == ("POST", "/graphql"):
            return self.answer(200, {"data": {"viewer": {"login": "github-actions[bot]"}}})
        if self.command == "GET" and url.path == f"{prefix}/pulls":
            wanted = [p for p in hub.pulls if query.get("head") in (None, p["head"]["label"])]
            return self.answer(200, wanted)
        found = re.fullmatch(rf"{prefix}/pulls/(\d+)", url.path)
        if self.command == "GET" and found:
            wanted = [p for p in hub.pulls if p["number"] == int(found[1])]
            return self.answer(200, wanted[0]) if wanted else self.answer(404, {"message": "Not Found"})
        found = re.fullmatch(rf"{prefix}/issues/(\d+)/comments", url.path)
        if found and self.command == "GET":
            size, page = int(query.get("per_page", "30")), int(query.get("page", "1"))
            comments = [c for c in hub.comments if c["issue"] == int(found[1])]
            more = page * size < len(comments)
            link = [("Link", f'<{hub.api}{url.path}?per_page={size}&page={page + 1}>; rel="next"')] if more else []
            return self.answer(200, comments[(page - 1) * size : page * size], link)
        if found and self.command == "POST":
            if len(body["body"]) > 65536:
                return self.answer(422, {"message": "Validation Failed"})
            comment = {"id": len(hub.comments) + 1, "issue": int(found[1]), "body": body["body"], "user": {"login": "github-actions[bot]", "type": "Bot", "id": 41898282}, "performed_via_github_app": {"slug": "github-actions", "id": 15368}, "html_url": "https://github.example/comment"}
            hub.comments.append(comment)
            return self.answer(201, comment)
        found = re.fullmatch(rf"{prefix}/issues/comments/(\d+)", url.path)
        if found and self.command == "PATCH":
            comment = hub.comments[int(found[1]) - 1]
            comment["body"] = body["body"]
            return self.answer(200, comment)
        return self.answer(404, {"message": f"not known: {self.command} {self.path}"})

    do_GET = do_POST = do_PATCH = handle_call

    def log_message(self, *arguments):
        pass


AUTHOR = {
    "PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_ALLOW_PROTOCOL": "file",
    "GIT_AUTHOR_NAME": "you", "GIT_AUTHOR_EMAIL": "you@example.com", "GIT_COMMITTER_NAME": "you", "GIT_COMMITTER_EMAIL": "you@example.com",
}
PROJECT = {
    "promptctl.yaml": """models:
  scripted:
    provider: mock
    replies:
      - { when: "(?i)hello", say: "{{ 'Good day!' if 'formal' in system else 'Hi there!' }}" }
      - { say: "{{ 'urgent' if 'carefully' in system else 'can wait' }}" }
defaults:
  models: [scripted]
""",
    "prompts/label.j2": """---
vars: { ticket: string }
---
{{ role("system") }}
Read the ticket carefully and say whether it is urgent.
{{ role("user") }}
{{ ticket }}
""",
    "fixtures/label/cases.yaml": "datasets:\n  - file: tickets.jsonl\n    name: \"{{ id }}\"\n    expect: [{ contains: urgent }]\n",
    "fixtures/label/tickets.jsonl": "".join(json.dumps({"id": f"ticket {n}", "ticket": f"Everything is down since {n} o'clock"}) + "\n" for n in range(1, 13)),
    "prompts/greet.j2": "---\nvars: { name: string }\n---\n{{ role(\"system\") }}\nGreet people.\n{{ role(\"user\") }}\nhello from {{ name }}\n",
    "fixtures/greet/cases.yaml": "cases:\n  - name: by name\n    vars: { name: Kim }\n    expect: [{ regex: \"[!.]$\" }]\n",
    ".gitignore": ".promptctl/\n*.snap.new\n",
    "README.md": "A shop.\n",
}
WORSE = {"prompts/label.j2": ("carefully ", "")}
FORMAL = {"prompts/greet.j2": ("Greet people.", "Greet people, in a formal way.")}


def sample(hub):
    hub.origin.mkdir()
    hub.git("init", "-q", "-b", "main")
    for name, text in PROJECT.items():
        path = hub.origin / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    hub.promptctl("test")
    hub.promptctl("accept", "--all")
    hub.git("add", "-A")
    hub.git("commit", "-qm", "Two prompts")
    hub.branch("shorter", WORSE)
    hub.branch("formal", FORMAL)
    hub.branch("mistake", {"prompts/greet.j2": ("{{ name }}", "{{ nam }}")}, record=False)


def check(what, condition, job=None):
    if not condition:
        if job:
            print(job.log)
        sys.exit(f"not as it should be: {what}")


def gate(hub, event, depth=2, ref=None, event_name="pull_request", environment=None, **inputs):
    """The action in a clone as actions/checkout leaves it."""
    job = Job(hub, event_name, event, TOKEN, environment)
    hub.checkout(job.github, job.workspace, depth, ref)
    status = subprocess.run(["git", "-C", job.workspace, "status", "--porcelain", "--ignored"], capture_output=True, text=True, check=True).stdout
    result = job.run_action({"install": "path", **inputs})
    after = subprocess.run(["git", "-C", job.workspace, "status", "--porcelain", "--ignored"], capture_output=True, text=True, check=True).stdout
    check(f"nothing is written into the checkout, not {after!r}", after == status, job)
    job.code = job.outputs["exit-code"]
    check(f"the job says {result}, the exit code is {job.code}", (result == "success") == (job.code == "0" or inputs.get("fail") == "false"), job)
    return job


def expect(name, job, code, *texts):
    check(f"{name}: exit code {code}, not {job.code}", job.code == str(code), job)
    for text in texts:
        check(f"{name}: the log has {text!r}", text in job.log, job)
    print(f"  {name}: exit code {code}")


def artifact(hub, name="promptctl-report"):
    return sorted(path.name for path in (hub.folder / "artifacts" / name).iterdir())


def mine(hub):
    """The comments that the workflow's token has written."""
    return [comment for comment in hub.comments if comment["user"]["login"] == "github-actions[bot]"]


def pull_requests(hub):
    """Of the repository itself: the verdict, the comment, annotations and summary."""
    # More than a page of other comments, one with our mark in it.
    for number in range(130):
        body = f"{MARKER}\nAll is well." if number == 5 else f"Comment {number}"
        hub.comments.append({"id": number + 1, "issue": 1, "body": body, "user": {"login": "stranger", "type": "User", "id": 7}})
    event = hub.pull(1, "shorter")
    job = gate(hub, event, comment="true")
    expect("a regression", job, 1, "exit code 1: answers failed or regressed")
    check("both failed", (job.outputs["test-exit-code"], job.outputs["compare-exit-code"]) == ("1", "1"), job)
    reports = ["compare.html", "compare.json", "exit-code", "test.html", "test.json"]
    check(f"the reports, not {artifact(hub)}", artifact(hub) == reports)
    check("an annotation at the case", re.search(r"^::error file=fixtures/label/\S+,line=\d+", job.log, re.M), job)
    summary = job.summary.read_text()
    check("a summary", "label" in summary and "12" in summary, job)
    check("one comment", len(mine(hub)) == 1, job)
    first = mine(hub)[0]["body"]
    for text in (MARKER, "label", "regressed", "ticket 1"):
        check(f"the comment has {text!r}:\n{first}", text in first)
    check("the unchanged prompt is not in the way", "by name" not in first)

    hub.writes = 0
    gate(hub, event, comment="true")
    check("the same again writes nothing", len(mine(hub)) == 1 and not hub.writes)

    hub.branch("shorter", {"prompts/label.j2": ("say whether", "tell carefully whether")}, start="shorter")
    job = gate(hub, hub.pull(1, "shorter"), comment="true")
    expect("mended", job, 0)
    check("the same comment says so", len(mine(hub)) == 1 and mine(hub)[0]["body"] != first and MARKER in mine(hub)[0]["body"])
    check("the stranger's is as it was", hub.comments[5]["body"].endswith("All is well."))

    hub.branch("words", {"README.md": ("A shop.", "A small shop.")})
    job = gate(hub, hub.pull(2, "words"))
    expect("no prompt changed", job, 0, "changed since", "nothing is compared")
    check("no comment is asked for", len(mine(hub)) == 1)

    expect("an answer that was accepted", gate(hub, hub.pull(3, "formal"), comment="true"), 0)
    hub.branch("forgotten", FORMAL, record=False)
    job = gate(hub, hub.pull(4, "forgotten"))
    expect("stale", job, 5, "promptctl test", "exit code 5: something waits")
    expect("a mistake in the project", gate(hub, hub.pull(5, "mistake")), 2)
    job = gate(hub, hub.pull(2, "words"), comment="true", environment={"GITHUB_API_URL": "http://127.0.0.1:9"})
    expect("good, and no comment can be posted", job, 0, "::warning title=promptctl::the comment was not posted")
    job = gate(hub, hub.pull(1, "shorter"), cache="true", fail="false", **{"test-args": "--tag=none"})
    expect("nothing selected, and `fail: false`", job, 4, "=== cache promptctl-Linux-report-7-1")


def clones(hub):
    """What is compared with what, in clones of every kind."""
    hub.branch("worse", WORSE)
    event = hub.pull(12, "worse")
    expect("a clone of one commit", gate(hub, event, depth=1), 2, "fetch-depth: 0")
    expect("the whole history", gate(hub, event, depth=0), 1)
    # Others went on since: what they did is no change of this pull request, merged or not.
    hub.git("checkout", "-q", "main")
    hub.git("merge", "-q", "--no-ff", "-m", "A formal greeting", "formal")
    for name, ref in (("beside main", "refs/pull/12/head"), ("merged into an older main", None)):
        job = gate(hub, event, depth=0, ref=ref)
        expect(name, job, 1)
        check("greet is left out", re.search(r"changed since [^\n]*: label; left out[^\n]*: greet", job.log), job)
    event = {**hub.pull(12, "worse"), "pull_request": event["pull_request"]}
    job = gate(hub, event)
    expect("merged into a main that went on after the event", job, 1)
    check("greet is left out there too", re.search(r"changed since [^\n]*: label; left out[^\n]*: greet", job.log), job)
    expect("a push to main tests everything", gate(hub, {"ref": "refs/heads/main"}, event_name="push"), 0, "13 planned")
    # A base that cannot be loaded, and the pull request that mends it.
    good = hub.git("rev-parse", "main")
    hub.git("merge", "-q", "mistake")
    hub.branch("mend", {"prompts/greet.j2": ("{{ nam }}", "{{ name }}")})
    expect("a base that is broken", gate(hub, hub.pull(13, "mend")), 0, "nothing is compared")
    hub.git("reset", "-q", "--hard", good)


def shards(hub):
    """The parts of a divided run, each with its own artifact, put together."""
    shutil.rmtree(hub.folder / "artifacts", ignore_errors=True)
    hub.branch("worse", WORSE)
    event = hub.pull(12, "worse")
    for part in (1, 2):
        job = gate(hub, event, shard=f"{part}/2", artifact=f"part-{part}", formats="")
        check("a part is not compared", "compare.json" not in artifact(hub, f"part-{part}"), job)
    job = gate(hub, event, parts=str(hub.folder / "artifacts"))
    expect("two parts of a regression", job, 1)
    report = json.loads((hub.folder / "artifacts/promptctl-report/test.json").read_text())
    check("the report is of the whole", report["summary"]["failed"] == 12 and report["summary"]["planned"] == 12)
    shutil.rmtree(hub.folder / "artifacts/part-2")
    expect("a part is missing", gate(hub, event, parts=str(hub.folder / "artifacts/part-1")), 2)


def fork(hub):
    """Two workflows: one without any right, and one that never runs what the fork has written."""
    before = len(hub.comments)
    hub.branch("patch-1", WORSE)
    event = hub.pull(21, "patch-1", fork=True)
    hub.calls.clear()
    job = gate(hub, event, comment="true")
    expect("a fork", job, 1)
    check("nobody was called", not hub.calls, job)
    job = Job(hub, "pull_request", event, token="")
    result = job.run_workflow("prompts.yml", {"install": "path"})
    check("the workflow fails", result == "failure" and "exit code 1: answers failed" in job.log, job)
    check("the artifact is there", "test.json" in artifact(hub) and not hub.calls, job)

    def comment(sha=None, conclusion="failure", event_name="pull_request"):
        head = event["pull_request"]["head"]
        run = {
            "id": 7, "event": event_name, "conclusion": conclusion, "head_branch": head["ref"], "head_sha": sha or head["sha"],
            "head_repository": {"full_name": "stranger/shop", "owner": {"login": "stranger"}}, "pull_requests": [],
        }
        job = Job(hub, "workflow_run", {"workflow_run": run, "repository": {"full_name": hub.repository}}, TOKEN)
        result = job.run_workflow("prompts-comment.yml", {"install": "path"})
        return job, result

    job, result = comment()
    check("the commenter is good", result == "success", job)
    check("it comments on the pull request of that branch", len(hub.comments) == before + 1 and hub.comments[-1]["issue"] == 21, job)
    check("what it says", "regressed" in hub.comments[-1]["body"] and MARKER in hub.comments[-1]["body"], job)
    there = subprocess.run(["git", "-C", job.workspace, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    check("what is checked out is main", there == hub.git("rev-parse", "main"), job)
    print("  the commenter: one comment, on the fork's pull request")

    hub.writes = 0
    job, result = comment(sha="1" * 40)
    check("another commit than the pull request's is not commented on", not hub.writes, job)
    for conclusion, event_name in (("cancelled", "pull_request"), ("success", "push")):
        job, result = comment(conclusion=conclusion, event_name=event_name)
        check("such a run is passed over", result == "skipped", job)

    # What a fork may put into its artifact.
    folder = hub.folder / "artifacts/promptctl-report"
    report = json.loads((folder / "test.json").read_text())
    text = "@everyone <img src=x onerror=alert(1)> ![x](https://evil.example/x) </details> <!-- promptctl:report -->\n# Approved\n::set-output name=x::y"
    hostile = json.loads(json.dumps(report).replace("can wait", json.dumps(text)[1:-1]))
    check("the report has answers", "@everyone" in json.dumps(hostile))
    (folder / "test.json").write_text(json.dumps(hostile))
    (folder / "promptctl").write_text("#!/bin/sh\ntouch \"$RUNNER_TEMP/pwned\"\n")
    (folder / "promptctl").chmod(0o755)
    job, result = comment()
    body = hub.comments[-1]["body"]
    check("the text is there", "@everyone" in body and "# Approved" in body, job)
    # In blocks whose fence is not ended, and as code, nothing is more than text.
    plain = re.sub(r"^(`{3,}|~{3,})[^\n]*\n.*?^\1$", "", body, flags=re.M | re.S)
    plain = re.sub(r"<code>[^<]*</code>|`[^`\n]*`", "", plain)
    check("nothing of the artifact was run", not list(hub.folder.rglob("pwned")), job)
    for what in ("everyone", "<img", "evil.example", "Approved"):
        check(f"{what} is nowhere else:\n{plain}", what not in plain)
    check("one marker", plain.count("<!--") == 1 and plain.startswith(MARKER))
    check("no command for the runner", not re.search(r"^::set-output", job.log, re.M), job)
    (folder / "test.json").unlink()
    (folder / "compare.json").unlink()
    secret = hub.folder / "secret.json"
    secret.write_text(json.dumps(report))
    (folder / "test.json").symlink_to(secret)
    hub.calls.clear()
    job, result = comment()
    check("a link is not followed", result == "success" and not hub.calls and "there is no report" in job.log, job)
    (folder / "test.json").unlink()
    (folder / "test.json").write_text("[" * 100_000)
    hub.writes = 0
    job, result = comment()
    check("a report that is none is said", not hub.writes and "::warning" in job.log, job)
    shutil.rmtree(folder)
    job, result = comment()
    check("no artifact is said", result == "success" and "there is no report" in job.log, job)
    print("  hostile artifacts: nothing run, nothing followed, nobody mentioned")


def gitlab(hub):
    """The template, and the one that divides the run, as GitLab puts them together."""

    def merged(one, other):
        both = {**one, **other}
        for key in one.keys() & other.keys():
            if isinstance(one[key], dict):
                both[key] = merged(one[key], other[key])
        return both

    def job(name, clone, variables):
        templates = [yaml.safe_load((ROOT / "templates" / f"{file}.yml").read_text()) for file in ("gitlab-ci", "gitlab-ci-sharded")]
        jobs = templates[0] if variables.pop("ALONE") else merged(*templates)
        wanted = merged(jobs[jobs[name]["extends"]], jobs[name])
        unknown = set(wanted) - {"extends", "stage", "image", "variables", "before_script", "script", "artifacts", "rules", "parallel", "needs"}
        check(f"the keys of {name}: {unknown}", not unknown)
        environment = {
            "PATH": f"{hub.binary.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(clone), "CI": "true",
            **wanted["variables"], **variables, "PROMPTCTL_CI_INSTALL": "path",
        }
        script = "\n".join(wanted["before_script"] + wanted["script"])
        done = subprocess.run(["sh", "-e", "-c", script], cwd=clone, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr, wanted

    hub.branch("worse", WORSE)
    event = hub.pull(12, "worse")["pull_request"]
    clone = hub.folder / "gitlab"
    clone.mkdir()
    hub.checkout({"event": {}}, clone, 0, "refs/pull/12/head")
    (clone / "ci").mkdir()
    shutil.copy(ROOT / "ci/promptctl-ci.sh", clone / "ci")
    request = {"CI_MERGE_REQUEST_DIFF_BASE_SHA": event["base"]["sha"]}
    code, log, wanted = job("promptctl", clone, {"ALONE": True, **request})
    check(f"a merge request: exit code 1, not {code}:\n{log}", code == 1 and "REGRESSED" in log)
    kept = wanted["artifacts"]["reports"]
    for pattern in (*kept["junit"], kept["codequality"], *wanted["artifacts"]["paths"]):
        check(f"{pattern} is there", list(clone.glob(pattern)))
    issues = json.loads((clone / kept["codequality"]).read_text())
    check("failing cases in the code quality report", len(issues) == 12)
    code, log, wanted = job("promptctl", clone, {"ALONE": True})
    check(f"a branch: everything is tested and nothing compared:\n{log}", code == 1 and "13 planned" in log and "REGRESSED" not in log)
    number = yaml.safe_load((ROOT / "templates/gitlab-ci-sharded.yml").read_text())["promptctl-shards"]["parallel"]
    for node in range(1, number + 1):
        code, log, _ = job("promptctl-shards", clone, {"ALONE": False, "CI_NODE_INDEX": str(node), "CI_NODE_TOTAL": str(number), **request})
        check(f"a part ends with 0, not {code}:\n{log}", code == 0)
    code, log, _ = job("promptctl", clone, {"ALONE": False, **request})
    check(f"the parts together: exit code 1, not {code}:\n{log}", code == 1 and "REGRESSED" in log and "12 planned" in log)
    print("  a merge request, a branch, and four parts of one")


def hostile_names(hub):
    """What a stranger names a branch or writes into a title is never part of a script."""
    name = "$(touch${IFS}pwned)`id`;x"
    hub.branch("odd", {"prompts/greet.j2": ("hello from", "hello again from")})
    hub.git("branch", "-f", name, "odd")
    event = hub.pull(31, name)
    event["pull_request"]["title"] = "\"; touch pwned #"
    job = gate(hub, event, **{"test-args": "--case=*\n--tag=one $(touch pwned) *\n", "artifact": "odd"})
    check("no text became a command", not list(hub.folder.rglob("pwned")), job)
    check("one line is one argument", "`one $(touch pwned) *`" in job.log, job)
    job = gate(hub, {**event, "pull_request": event["pull_request"]}, event_name="pull_request_target", artifact="odd")
    check("an event with a stranger's files and your token is refused", job.code == "" and "not pull_request_target" in job.log, job)
    print("  hostile names: no text became a command")


def installing(hub):
    """From a release: right, tampered with, and not the one that was asked for."""
    version = subprocess.run([hub.binary, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    name = f"promptctl-{version}-{os.uname().machine}-unknown-linux-gnu"
    releases = hub.folder / "releases"
    here = releases / f"v{version}"
    (here / name).mkdir(parents=True)
    shutil.copy(hub.binary, here / name / "promptctl")
    archive = here / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(here / name, name)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    sums = here / "SHA256SUMS"
    sums.write_text(f"{'0' * 64}  other.tar.gz\n{digest}  {name}.tar.gz\n")

    def install(**inputs):
        job = Job(hub, "push", {}, TOKEN)
        job.path = [folder for folder in job.path if folder != str(hub.binary.parent)]
        return job.run_action({"command": "install", "releases": f"file://{releases}", **inputs}), job

    for inputs in ({}, {"version": version, "sha256": digest}):
        result, job = install(**inputs)
        check("installed", result == "success" and f"promptctl {version}, from" in job.log, job)
        check("on the path", (pathlib.Path(job.path[0]) / "promptctl").exists(), job)
    for why, inputs in (("not the one", {"sha256": "1" * 64}), ("not there", {"version": "9.9.9"}), ("unknown", {"install": "magic"})):
        result, job = install(**inputs)
        check(f"{why}: not installed", result == "failure" and not list(job.temp.rglob("promptctl-bin/promptctl")), job)
    with archive.open("ab") as file:
        file.write(b"more")
    result, job = install()
    check("tampered with: not installed", result == "failure" and "SHA256SUMS says" in job.log and not list(job.temp.rglob("promptctl-bin/promptctl")), job)
    print("  installing: by its checksum alone")


def main():
    binary = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name).resolve()
        (folder / "bin").mkdir()
        shutil.copy(binary, folder / "bin/promptctl")
        hub = Hub(folder / "bin/promptctl", folder)
        sample(hub)
        for part in (pull_requests, clones, shards, fork, gitlab, hostile_names, installing):
            if sys.argv[2:] and part.__name__ not in sys.argv[2:]:
                continue
            print(part.__name__.replace("_", " "))
            part(hub)
    print(f"action.yml and its workflows do what docs/ci.md says ({ROOT.name})")


main()
