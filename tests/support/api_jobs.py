"""Files, batches and fine-tuning jobs of the local API server (api_server.py): plain state, no network."""

import json
import math
import random
import time
from collections.abc import Callable
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from api_model import Refused, digest, tokens

# (batch, line of it) -> (status, body of the response)
Line = Callable[[dict[str, Any], dict[str, Any]], tuple[int, dict[str, Any]]]
BATCH = ["validating", "in_progress", "finalizing", "completed"]
JOB = ["validating_files", "queued", "running", "succeeded"]
ENDS = {"completed", "expired", "cancelled", "failed", "succeeded"}


def missing(what: str, name: str) -> Refused:
    return Refused(404, f"No such {what}: {name}", param="id")


def page(
    items: list[dict[str, Any]], query: dict[str, str], limit: int, order: str = "desc"
) -> dict[str, Any]:
    """A cursor page of what is stored oldest first."""
    given = items if query.get("order", order) == "asc" else items[::-1]
    if after := query.get("after"):
        places = [place for place, item in enumerate(given) if item["id"] == after]
        if not places:
            raise Refused(404, f"No object found with id '{after}'", param="after")
        given = given[places[0] + 1 :]
    size = int(query.get("limit", limit))
    shown = given[:size]
    ids = [item["id"] for item in shown] or [None]
    return {
        "object": "list",
        "data": shown,
        "has_more": len(given) > size,
        "first_id": ids[0],
        "last_id": ids[-1],
    }


def read_form(kind: str, raw: bytes) -> dict[str, tuple[str | None, bytes]]:
    """Name -> (file name, content) of a multipart body."""
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + raw)
    if not message.is_multipart():
        raise Refused(400, "Expected a multipart form.")
    return {
        str(part.get_param("name", header="content-disposition")): (
            part.get_filename(),
            part.get_payload(decode=True) or b"",
        )
        for part in message.iter_parts()
    }


def json_lines(content: bytes) -> tuple[list[Any], int | None]:
    """(values, the first line that is no JSON object)."""
    values: list[Any] = []
    for number, line in enumerate(content.splitlines(), 1):
        try:
            values.append(json.loads(line))
        except ValueError:
            return values, number
        if not isinstance(values[-1], dict):
            return values, number
    return values, None


class Jobs:
    """What a server keeps between calls. Everything is listed in the order it came to be."""

    def __init__(self, polls: int, seed: int) -> None:
        self.polls, self.seed, self.made = polls, seed, 0
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.todo: dict[str, list[dict[str, Any]]] = {}  # of a batch: lines that were not run
        # of a batch: (line, status, body of the response)
        self.done: dict[str, list[tuple[dict[str, Any], int, dict[str, Any]]]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.checkpoints: dict[str, list[dict[str, Any]]] = {}
        self.polled: dict[str, int] = {}
        self.models: list[str] = []  # that fine-tuning made

    def name(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}{digest(self.seed, self.made)[:24]}"

    # ---- files

    def add_file(self, purpose: str, filename: str, content: bytes) -> dict[str, Any]:
        made = self.name("file-")
        self.contents[made] = content
        self.files[made] = {
            "id": made,
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": filename,
            "purpose": purpose,
            "status": "processed",
            "status_details": None,
            "expires_at": None,
        }
        return self.files[made]

    def upload(self, kind: str, raw: bytes) -> dict[str, Any]:
        form = read_form(kind, raw)
        if "file" not in form or "purpose" not in form:
            raise Refused(400, "'file' and 'purpose' are required properties")
        purpose = form["purpose"][1].decode()
        if purpose not in ("batch", "fine-tune", "user_data", "assistants", "vision", "evals"):
            raise Refused(
                400,
                f"'{purpose}' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision',"
                " 'evals'] - 'purpose'",
            )
        return self.add_file(purpose, form["file"][0] or "upload", form["file"][1])

    def file(self, name: str) -> dict[str, Any]:
        if name not in self.files:
            raise missing("File object", name)
        return self.files[name]

    def delete(self, name: str) -> dict[str, Any]:
        self.file(name)
        del self.files[name], self.contents[name]
        return {"id": name, "object": "file", "deleted": True}

    # ---- batches

    def create_batch(self, body: dict[str, Any]) -> dict[str, Any]:
        file = self.file(str(body.get("input_file_id")))
        if file["purpose"] != "batch":
            raise Refused(
                400, f"Invalid file purpose: {file['purpose']}, expected 'batch'.", "invalid_file_purpose"
            )
        if body.get("completion_window") != "24h":
            raise Refused(
                400,
                "Invalid 'completion_window': only '24h' is supported.",
                "invalid_value",
                param="completion_window",
            )
        if body.get("endpoint") not in ("/v1/chat/completions", "/v1/completions"):
            raise Refused(
                400, f"Invalid 'endpoint': {body.get('endpoint')!r}.", "invalid_value", param="endpoint"
            )
        made, now = self.name("batch_"), int(time.time())
        times = [
            f"{state}_at"
            for state in (
                "in_progress",
                "finalizing",
                "completed",
                "failed",
                "expired",
                "cancelling",
                "cancelled",
            )
        ]
        self.batches[made] = {
            "id": made,
            "object": "batch",
            "endpoint": body["endpoint"],
            "errors": None,
            "input_file_id": file["id"],
            "completion_window": "24h",
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": now,
            "expires_at": now + 86400,
            **dict.fromkeys(times),
            "metadata": body.get("metadata"),
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }
        self.todo[made], self.done[made] = [], []
        return self.batches[made]

    def batch(self, name: str) -> dict[str, Any]:
        if name not in self.batches:
            raise missing("batch", name)
        return self.batches[name]

    def cancel_batch(self, name: str) -> dict[str, Any]:
        batch = self.batch(name)
        if batch["status"] in ENDS:
            raise Refused(409, f"Cannot cancel a batch with status '{batch['status']}'.")
        self.set_state(batch, "cancelling")
        return batch

    def validate(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        """Errors of the input file; without any, its lines are ready to run."""
        lines, bad = json_lines(self.contents.get(batch["input_file_id"], b""))
        if bad is not None:
            return [
                {
                    "code": "invalid_json_line",
                    "line": bad,
                    "message": "This line is not parseable as valid JSON.",
                    "param": None,
                }
            ]
        if not lines:
            return [
                {"code": "empty_file", "line": None, "message": "The input file is empty.", "param": None}
            ]
        errors, seen = [], set[Any]()
        for number, line in enumerate(lines, 1):
            wrong = [
                ("missing_required_parameter", "custom_id", not isinstance(line.get("custom_id"), str)),
                ("duplicate_custom_id", "custom_id", line.get("custom_id") in seen),
                ("invalid_method", "method", line.get("method") != "POST"),
                ("mismatched_endpoint", "url", line.get("url") != batch["endpoint"]),
                ("missing_required_parameter", "body", not isinstance(line.get("body"), dict)),
                (
                    "mismatched_model",
                    "body.model",
                    (line.get("body") or {}).get("model") != (lines[0].get("body") or {}).get("model"),
                ),
            ]
            errors += [
                {"code": code, "line": number, "message": f"Wrong '{param}'.", "param": param}
                for code, param, found in wrong
                if found
            ]
            seen.add(line.get("custom_id"))
        if not errors:
            self.todo[batch["id"]] = lines
            batch["request_counts"]["total"] = len(lines)
        return errors

    def run_lines(self, batch: dict[str, Any], count: int, run: Line) -> None:
        lines = self.todo[batch["id"]]
        for line in lines[:count]:
            status, payload = run(batch, line)
            self.done[batch["id"]].append((line, status, payload))
            batch["request_counts"]["completed" if status == 200 else "failed"] += 1
        self.todo[batch["id"]] = lines[count:]

    def write_results(self, batch: dict[str, Any], expired: bool) -> None:
        """The output file and the error file, in an order of their own."""
        written: dict[bool, list[str]] = {True: [], False: []}
        for line, status, payload in self.done[batch["id"]]:
            response = {"status_code": status, "request_id": self.name("req_"), "body": payload}
            result = {
                "id": self.name("batch_req_"),
                "custom_id": line["custom_id"],
                "response": response,
                "error": None,
            }
            written[status == 200].append(json.dumps(result))
        for line in self.todo[batch["id"]] if expired else []:
            error = {
                "code": "batch_expired",
                "message": "This request could not be executed before the completion window expired.",
            }
            written[False].append(
                json.dumps(
                    {
                        "id": self.name("batch_req_"),
                        "custom_id": line["custom_id"],
                        "response": None,
                        "error": error,
                    }
                )
            )
        for good, field in ((True, "output"), (False, "error")):
            if written[good]:
                random.Random(f"{self.seed} {batch['id']}").shuffle(written[good])
                content = "".join(f"{line}\n" for line in written[good]).encode()
                batch[f"{field}_file_id"] = self.add_file(
                    "batch_output", f"{batch['id']}_{field}.jsonl", content
                )["id"]

    def set_state(self, item: dict[str, Any], state: str) -> None:
        item["status"] = state
        if f"{state}_at" in item:
            item[f"{state}_at"] = int(time.time())

    def advance_batch(
        self, batch: dict[str, Any], to: str | None, lines: int | None, code: str | None, run: Line
    ) -> None:
        """One state on, or through to `to`."""
        while batch["status"] not in ENDS and batch["status"] != to:
            here = batch["status"]
            target = "cancelled" if here == "cancelling" else BATCH[BATCH.index(here) + 1]
            if to in ("failed", "expired", "cancelled") and (
                to == "failed" or here in ("in_progress", "finalizing", "cancelling")
            ):
                target = to
            errors = self.validate(batch) if here == "validating" and target != "failed" else []
            if target == "failed" or errors:
                one = {
                    "code": code or "internal_error",
                    "line": None,
                    "message": f"The batch failed: {code or 'internal_error'}.",
                    "param": None,
                }
                batch["errors"] = {"object": "list", "data": errors or [one]}
                target = "failed"
            if lines is not None and target in ("in_progress", to):
                self.run_lines(batch, lines, run)
                lines = None
            if target == "finalizing" and to not in ("expired", "cancelled"):
                self.run_lines(batch, len(self.todo[batch["id"]]), run)
            if target in ("completed", "expired", "cancelled"):
                self.write_results(batch, target == "expired")
            self.set_state(batch, target)
            if to is None:
                return

    # ---- fine-tuning

    def create_job(self, body: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(body.get("model"), str):
            raise Refused(400, "you must provide a model parameter", param="model")
        for field in ("training_file", "validation_file"):
            if (given := body.get(field)) is None and field == "validation_file":
                continue
            if given not in self.files:
                raise Refused(400, f"invalid {field}: {given}", "invalid_file", param=field)
            if self.files[given]["purpose"] != "fine-tune":
                raise Refused(
                    400,
                    f"File '{given}' has purpose '{self.files[given]['purpose']}', expected 'fine-tune'.",
                    "invalid_file",
                    param=field,
                )
        method = body.get("method") or {
            "type": "supervised",
            "supervised": {"hyperparameters": body.get("hyperparameters") or {}},
        }
        asked = (method.get(str(method.get("type"))) or {}).get("hyperparameters") or {}
        if unknown := set(asked) - {"n_epochs", "batch_size", "learning_rate_multiplier"}:
            raise Refused(
                400,
                f"Unknown parameter: 'method.supervised.hyperparameters.{min(unknown)}'.",
                "unknown_parameter",
            )
        if len(body.get("suffix") or "") > 64:
            raise Refused(
                400, "'suffix' is longer than 64 characters.", "string_above_max_length", param="suffix"
            )
        numbers = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"} | asked
        made = self.name("ftjob-")
        self.jobs[made] = {
            "id": made,
            "object": "fine_tuning.job",
            "created_at": int(time.time()),
            "error": None,
            "fine_tuned_model": None,
            "finished_at": None,
            "estimated_finish": None,
            "hyperparameters": numbers,
            "model": body["model"],
            "organization_id": "org-local",
            "result_files": [],
            "seed": body.get("seed", self.made),
            "status": "validating_files",
            "trained_tokens": None,
            "training_file": body["training_file"],
            "validation_file": body.get("validation_file"),
            "integrations": [],
            "metadata": body.get("metadata"),
            "user_provided_suffix": body.get("suffix"),
            "method": {"type": "supervised", "supervised": {"hyperparameters": numbers}},
        }
        self.events[made], self.checkpoints[made] = [], []
        self.event(made, "Created fine-tuning job: " + made)
        self.event(made, f"Validating training file: {body['training_file']}")
        return self.jobs[made]

    def job(self, name: str) -> dict[str, Any]:
        if name not in self.jobs:
            raise Refused(
                404, f"Could not find fine tune: {name}", "fine_tune_not_found", param="fine_tune_id"
            )
        return self.jobs[name]

    def event(self, job: str, message: str, level: str = "info", data: dict[str, Any] | None = None) -> None:
        self.events[job].append(
            {
                "id": self.name("ftevent-"),
                "object": "fine_tuning.job.event",
                "created_at": int(time.time()),
                "level": level,
                "message": message,
                "data": data or {},
                "type": "metrics" if data else "message",
            }
        )

    def list_jobs(self, query: dict[str, str]) -> dict[str, Any]:
        wanted = {
            key[len("metadata[") : -1]: value for key, value in query.items() if key.startswith("metadata[")
        }
        found = [job for job in self.jobs.values() if wanted.items() <= (job["metadata"] or {}).items()]
        return page(found, query, 20)

    def cancel_job(self, name: str) -> dict[str, Any]:
        job = self.job(name)
        if job["status"] in ENDS:
            raise Refused(400, f"Job has already completed: {name}", "invalid_status")
        self.finish(job, "cancelled", "The job was cancelled")
        return job

    def finish(self, job: dict[str, Any], state: str, message: str, level: str = "info") -> None:
        job["finished_at"] = int(time.time())
        self.set_state(job, state)
        self.event(job["id"], message, level)

    def fail(self, job: dict[str, Any], code: str, message: str, param: str | None) -> None:
        job["error"] = {"code": code, "message": message, "param": param}
        self.finish(job, "failed", f"The job failed: {message}", "error")

    def defect(self, field: str, name: str) -> str | None:
        """What is wrong with a training file: too few examples, or a line that is none."""
        lines, bad = json_lines(self.contents.get(name, b""))
        for number, line in enumerate(lines, 1):
            chat = line.get("messages")
            good = (
                isinstance(chat, list)
                and chat
                and all(isinstance(m, dict) and isinstance(m.get("content"), str) for m in chat)
            )
            if (
                not (good and chat[-1].get("role") == "assistant")
                and not {"prompt", "completion"} <= line.keys()
            ):
                return (
                    f"Invalid file format. Example {number} is neither a chat that ends with the assistant"
                    " nor a prompt and a completion."
                )
        if bad is not None:
            return f"Invalid file format. Line {bad} is not valid JSON."
        if field == "training_file" and len(lines) < 10:
            return f"Training file has {len(lines)} example(s), but must have at least 10 examples"
        return None

    def train(self, job: dict[str, Any]) -> None:
        """Hyperparameters, step metrics, checkpoints, the model and its result file."""
        lines, _ = json_lines(self.contents[job["training_file"]])
        numbers = job["hyperparameters"]
        defaults = {"n_epochs": 3, "batch_size": max(1, len(lines) // 500), "learning_rate_multiplier": 2}
        numbers.update({name: value for name, value in defaults.items() if numbers[name] == "auto"})
        steps = math.ceil(len(lines) / numbers["batch_size"])
        rows = ["step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"]
        tag = ":".join(["ft", job["model"], "local", job["user_provided_suffix"] or "", job["id"][-8:]])
        for step in range(1, steps * numbers["n_epochs"] + 1):
            loss, ends = round(2 / (1 + step / steps), 5), step % steps == 0
            valid = round(loss + 0.1, 5) if job["validation_file"] and ends else None
            validation = "," if valid is None else f"{valid},0.5"
            rows.append(f"{step},{loss},{round(1 - loss / 4, 5)},{validation}")
            data = {
                "step": step,
                "train_loss": loss,
                "total_steps": steps * numbers["n_epochs"],
                "train_mean_token_accuracy": 1 - loss / 4,
            }
            self.event(
                job["id"],
                f"Step {step}/{data['total_steps']}: training loss={loss}",
                data=data | ({"valid_loss": valid} if valid else {}),
            )
            if ends:
                model = tag if step == data["total_steps"] else f"{tag}:ckpt-step-{step}"
                self.checkpoints[job["id"]].append(
                    {
                        "id": self.name("ftckpt_"),
                        "object": "fine_tuning.job.checkpoint",
                        "created_at": int(time.time()),
                        "step_number": step,
                        "fine_tuned_model_checkpoint": model,
                        "fine_tuning_job_id": job["id"],
                        "metrics": {"step": step, "train_loss": loss, "full_valid_loss": valid},
                    }
                )
                self.models.append(model)
        words = sum(len(tokens(json.dumps(line))) for line in lines)
        result = self.add_file(
            "fine-tune-results", "step_metrics.csv", "".join(f"{row}\n" for row in rows).encode()
        )
        job.update(
            fine_tuned_model=tag, trained_tokens=words * numbers["n_epochs"], result_files=[result["id"]]
        )
        self.event(job["id"], f"New fine-tuned model created: {tag}")

    def advance_job(self, job: dict[str, Any], to: str | None, code: str | None) -> None:
        """One state on, or through to `to`."""
        while job["status"] not in ENDS and job["status"] != to:
            if to in ("failed", "cancelled"):
                if to == "failed":
                    self.fail(
                        job,
                        code or "server_error",
                        f"The job failed due to {code or 'an internal error'}.",
                        None,
                    )
                else:
                    self.finish(job, "cancelled", "The job was cancelled")
                return
            target = JOB[JOB.index(job["status"]) + 1]
            if target == "queued":
                for field in ("training_file", "validation_file"):
                    if job[field] and (found := self.defect(field, job[field])):
                        return self.fail(job, f"invalid_{field}", found, field)
                self.event(job["id"], "Files validated, moving job to queued state")
            elif target == "running":
                self.event(job["id"], "Fine-tuning job started")
            if target == "succeeded":
                self.train(job)
                self.finish(job, target, "The job has successfully completed")
            else:
                self.set_state(job, target)
            if to is None:
                return None

    # ---- all

    def poll(self, item: dict[str, Any], run: Line) -> dict[str, Any]:
        """What a GET of a batch or job shows; every `polls`-th takes it on."""
        self.polled[item["id"]] = self.polled.get(item["id"], 0) + 1
        if self.polls and self.polled[item["id"]] % self.polls == 0:
            self.advance(item["id"], None, None, None, run)
        return item

    def advance(
        self, name: str, to: str | None, lines: int | None, code: str | None, run: Line
    ) -> dict[str, Any]:
        if name in self.batches:
            self.advance_batch(self.batches[name], to, lines, code, run)
            return self.batches[name]
        self.advance_job(self.job(name), to, code)
        return self.jobs[name]

    def route(
        self, method: str, path: str, query: dict[str, str], kind: str, raw: bytes, run: Line
    ) -> dict[str, Any] | bytes:
        """The answer to a call of /files, /batches or /fine_tuning. Raises Refused."""
        match [method, *path.strip("/").split("/")]:
            case ["POST", "files"]:
                return self.upload(kind, raw)
            case ["GET", "files"]:
                return page(
                    [f for f in self.files.values() if query.get("purpose", f["purpose"]) == f["purpose"]],
                    query,
                    10000,
                )
            case ["GET", "files", name]:
                return self.file(name)
            case ["GET", "files", name, "content"]:
                self.file(name)
                return self.contents[name]
            case ["DELETE", "files", name]:
                return self.delete(name)
            case ["POST", "batches"]:
                return self.create_batch(read_object(raw))
            case ["GET", "batches"]:
                return page(list(self.batches.values()), query, 20)
            case ["GET", "batches", name]:
                return self.poll(self.batch(name), run)
            case ["POST", "batches", name, "cancel"]:
                return self.cancel_batch(name)
            case ["POST", "fine_tuning", "jobs"]:
                return self.create_job(read_object(raw))
            case ["GET", "fine_tuning", "jobs"]:
                return self.list_jobs(query)
            case ["GET", "fine_tuning", "jobs", name]:
                return self.poll(self.job(name), run)
            case ["GET", "fine_tuning", "jobs", name, "events"]:
                return page(self.events[self.job(name)["id"]], query, 20)
            case ["GET", "fine_tuning", "jobs", name, "checkpoints"]:
                return page(self.checkpoints[self.job(name)["id"]], query, 10)
            case ["POST", "fine_tuning", "jobs", name, "cancel"]:
                return self.cancel_job(name)
        raise Refused(404, f"Invalid URL ({method} /v1{path})")


def read_object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "We could not parse the JSON body of your request.")
    return body
