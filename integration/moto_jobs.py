"""moto's server, with runs of jobs whose states follow a script.

moto's own runs can only succeed: a run on Glue goes STARTING, RUNNING, SUCCEEDED,
one on EMR Serverless is SUCCESS at once. Here the first part of the job's ID, up to
the hyphen, names the script, and each look at a run takes it one state further.
moto lacks BatchStopJobRun, client tokens of EMR Serverless, and times of its runs:
these are added. Requests are read and answers written by moto, from AWS's models.
"""

from datetime import timedelta

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.emrserverless import models as emr
from moto.glue import models as glue
from moto.glue.responses import GlueResponse
from moto.server import main

GLUE = {
    "good": ["STARTING", "WAITING", "RUNNING", "SUCCEEDED"],
    "fail": ["STARTING", "RUNNING", "FAILED"],
    "timeout": ["STARTING", "RUNNING", "TIMEOUT"],
    "long": ["STARTING", "RUNNING"],
    "error": ["STARTING", "ERROR"],
}
EMR = {
    "good": ["SUBMITTED", "PENDING", "SCHEDULED", "RUNNING", "SUCCESS"],
    "fail": ["SUBMITTED", "RUNNING", "FAILED"],
    "timeout": ["SUBMITTED", "RUNNING", "CANCELLING", "CANCELLED"],
    "long": ["SUBMITTED", "QUEUED", "RUNNING"],
}
GLUE_ENDS = ("STOPPED", "SUCCEEDED", "FAILED", "TIMEOUT", "ERROR")
EMR_ENDS = ("SUCCESS", "FAILED", "CANCELLED")
MESSAGE = "Error Category: QUERY_ERROR; SparkException: bad cell 'secret-value'; ExitCode: 1"


def pairs(states):
    return list(zip(states, states[1:]))


glue_init, glue_dict = glue.FakeJobRun.__init__, glue.FakeJobRun.as_dict


def start_glue(self, *args, **kwargs):
    glue_init(self, *args, **kwargs)
    script = (self.arguments or {}).get("--tidemark-job", "good").split("-")[0]
    self._transitions = pairs(GLUE.get(script, GLUE["good"]))
    self._status = self._transitions[0][0]


def show_glue(self):
    out = glue_dict(self)
    if self.status not in GLUE_ENDS:
        del out["CompletedOn"]
    if self.status == "FAILED":
        out["ErrorMessage"] = MESSAGE
    return out


def advance(self):
    nxt = dict(self._transitions).get(self._status)
    if nxt:
        self._status = nxt


def stop_glue(self):
    job = self.glue_backend.get_job(self._get_param("JobName"))
    done, errors = [], []
    for run_id in self._get_param("JobRunIds"):
        run = next((r for r in job.job_runs if r.job_run_id == run_id), None)
        code = "EntityNotFoundException" if run is None else None
        if run and (run.status in GLUE_ENDS or run.status == "STOPPING"):
            code = "JobRunCannotBeStoppedException"
        at = {"JobName": job.name, "JobRunId": run_id}
        if code:
            errors.append(at | {"ErrorDetail": {"ErrorCode": code, "ErrorMessage": "refused"}})
            continue
        run._transitions, run._status = pairs(["STOPPING", "STOPPED"]), "STOPPING"
        done.append(at)
    return ActionResult({"SuccessfulSubmissions": done, "Errors": errors})


glue.FakeJobRun.__init__ = start_glue
glue.FakeJobRun.as_dict = show_glue
glue.FakeJobRun.advance = advance
glue.FakeJobRun.status = property(lambda self: self._status)
GlueResponse.batch_stop_job_run = stop_glue

emr_init = emr.JobRun.__init__
emr_start, emr_get, emr_cancel = (
    emr.EMRServerlessBackend.start_job_run,
    emr.EMRServerlessBackend.get_job_run,
    emr.EMRServerlessBackend.cancel_job_run,
)


def init_emr(self, *args, **kwargs):
    emr_init(self, *args, **kwargs)
    self.script = list(EMR.get((self.name or "").split("-")[0], EMR["good"]))
    self.state, self.state_details = self.script.pop(0), "none"
    self.created_at = self.updated_at = utcnow()


def move(run):
    if run.script:
        run.state = run.script.pop(0)
    if run.state == "RUNNING":
        run.started_at = utcnow()
    if run.state in EMR_ENDS and not hasattr(run, "ended_at"):
        run.ended_at = utcnow()
        if run.name.startswith("timeout"):
            run.started_at = run.ended_at - timedelta(minutes=run.execution_timeout_minutes)
        if run.state == "FAILED":
            run.state_details = MESSAGE


def start_emr(self, **kwargs):
    for run in self.job_runs.get(kwargs["application_id"], []):
        if run.client_token == kwargs["client_token"]:
            return run
    return emr_start(self, **kwargs)


def get_emr(self, *args, **kwargs):
    run = emr_get(self, *args, **kwargs)
    move(run)
    return run


def cancel_emr(self, application_id, job_run_id):
    run = emr_get(self, application_id, job_run_id)
    if run.state in EMR_ENDS:
        raise emr.ValidationException(f"Job run {job_run_id} is in a terminal state")
    run.state, run.script = "CANCELLING", ["CANCELLED"]
    return application_id, job_run_id


emr.JobRun.__init__ = init_emr
emr.EMRServerlessBackend.start_job_run = start_emr
emr.EMRServerlessBackend.get_job_run = get_emr
emr.EMRServerlessBackend.cancel_job_run = cancel_emr

if __name__ == "__main__":
    main()
