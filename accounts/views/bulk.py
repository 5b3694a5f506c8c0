"""Many accounts or aliases at once: paste or file, preview, progress, result."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST

from accounts import bulk_jobs
from accounts.csvfile import BadFile
from accounts.forms import BulkForm
from accounts.models import BulkJob
from accounts.views.mail_programs import mail_servers
from domains.models import Domain
from domains.views import domain_of, managed_domain_of
from qmailux_site.middleware import PanelRequest

ROWS_SHOWN = 100
HEADINGS = {"accounts": "address,name,password,quota_mb\n", "aliases": "address,targets\n"}


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of a preview, faults first: (line, address, what else, fault)."""

    shown: list[tuple[int, str, str, str]]
    number: int
    last: int

    @property
    def previous(self) -> int:
        return self.number - 1

    @property
    def next(self) -> int:
        return self.number + 1 if self.number < self.last else 0


@sensitive_post_parameters()
@sensitive_variables("raw", "form")
@never_cache
@login_required
def bulk_add(request: PanelRequest, name: str, kind: str) -> HttpResponse:
    """Judges every row. With faults nothing is kept, and what was pasted stays in the form."""
    domain = managed_domain_of(request, name)
    form = BulkForm(request.POST or None, request.FILES or None, initial={"text": HEADINGS[kind]})
    values: dict[str, object] = {"domain": domain, "kind": kind, "heading": HEADINGS[kind].strip()}
    if form.is_valid():
        raw = form.raw()
        try:
            preview = bulk_jobs.preview(kind, raw, domain_name=domain.name, by=request.actor)
        except BadFile as bad:
            preview = bulk_jobs.Preview([], list(bad.errors), len(bad.errors))
        if preview.total and not preview.faults:
            job = bulk_jobs.prepare_bulk_job(
                kind, raw, domain_name=domain.name, total=preview.total, by=request.actor
            )
            return redirect("bulk-job", domain.name, job.uuid)
        if not preview.total:
            form.add_error(None, _("There is no row below the heading."))
        values |= {"preview": preview, "rows": _rows(preview, 1)}
    return render(request, "accounts/bulk.html", {**values, "form": form})


@never_cache
@login_required
def bulk_job(request: PanelRequest, name: str, uuid: UUID) -> HttpResponse:
    """The preview until it is confirmed, then the progress, then the result."""
    domain, job = _job_of(request, name, uuid)
    values: dict[str, object] = {"domain": domain, "job": job}
    is_deletion = job.kind == BulkJob.Kind.DELETION
    if job.state == BulkJob.State.CHECKED and not is_deletion:
        raw = bulk_jobs.upload_of(job) or b""
        preview = bulk_jobs.preview(job.kind, raw, domain_name=domain.name, by=request.actor)
        values |= {"preview": preview, "rows": _rows(preview, _page_number(request))}
    return render(request, f"accounts/{'deletion_job' if is_deletion else 'bulk_job'}.html", values)


@never_cache
@login_required
def bulk_progress(request: PanelRequest, name: str, uuid: UUID) -> HttpResponse:
    """The fragment that shows how far it is; the page is shown anew when it is over."""
    domain, job = _job_of(request, name, uuid)
    response = render(request, "accounts/_bulk_progress.html", {"domain": domain, "job": job})
    if job.state in (BulkJob.State.DONE, BulkJob.State.FAILED):
        response["HX-Refresh"] = "true"
    return response


@login_required
@require_POST
def bulk_start(request: PanelRequest, name: str, uuid: UUID) -> HttpResponse:
    """Confirmed."""
    domain, job = _job_of(request, name, uuid)
    bulk_jobs.start_bulk_job(job, by=request.actor)
    return redirect("bulk-job", domain.name, job.uuid)


@login_required
@require_POST
def bulk_cancel(request: PanelRequest, name: str, uuid: UUID) -> HttpResponse:
    """Nothing is added; nothing more is deleted."""
    domain, job = _job_of(request, name, uuid)
    bulk_jobs.cancel_bulk_job(job, by=request.actor)
    return redirect("bulk-job", domain.name, job.uuid)


@sensitive_variables("slips")
@never_cache
@login_required
@require_POST
def bulk_csv(request: PanelRequest, name: str, uuid: UUID) -> HttpResponse:
    """The passwords as a file, once."""
    domain, job = _job_of(request, name, uuid)
    slips = bulk_jobs.take_result(job, "csv")
    if slips is None:
        return redirect("bulk-job", domain.name, job.uuid)
    response = HttpResponse(bulk_jobs.result_as_csv(slips), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="passwords-{domain.name}.csv"'
    return response


@sensitive_variables("slips")
@never_cache
@login_required
@require_POST
def bulk_slips(request: PanelRequest, name: str, uuid: UUID) -> HttpResponse:
    """The passwords as slips to print and cut, once."""
    domain, job = _job_of(request, name, uuid)
    slips = bulk_jobs.take_result(job, "slips")
    if slips is None:
        return redirect("bulk-job", domain.name, job.uuid)
    servers = [server for server in mail_servers() if server.is_recommended]
    values = {"domain": domain, "job": job, "slips": slips, "servers": servers}
    return render(request, "accounts/slips.html", {**values, "panel": request.build_absolute_uri("/")})


def _job_of(request: PanelRequest, name: str, uuid: UUID) -> tuple[Domain, BulkJob]:
    """Of the very person who gave the file, and while the domain is theirs."""
    domain = domain_of(request, name)
    jobs = BulkJob.objects.visible_to(request.actor)
    return domain, get_object_or_404(jobs, uuid=uuid, domain_name=domain.name)


def _rows(preview: bulk_jobs.Preview, number: int) -> Rows:
    """Faults first; a row with a fault is not among the good ones, save where the whole file has one."""
    wrong = [(fault.line, "", "", fault.message) for fault in preview.faults]
    at_fault = {fault.line for fault in preview.faults}
    good = [(line, address, more, "") for line, address, more in preview.rows if line not in at_fault]
    rows = wrong + good
    last = max(1, -(-len(rows) // ROWS_SHOWN))
    number = min(max(number, 1), last)
    return Rows(rows[(number - 1) * ROWS_SHOWN : number * ROWS_SHOWN], number, last)


def _page_number(request: PanelRequest) -> int:
    text = request.GET.get("page", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1
