"""The web application: puts the slices together. Imports no job module, and so neither a model nor an image library."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache

from fastapi import APIRouter, Depends, FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool
from starlette.datastructures import State
from starlette.routing import BaseRoute

from trouvaille import logs
from trouvaille.accounts import (
    account_pages,
    audit_api,
    link_pages,
    me_api,
    server_pages,
    sign_on_api,
    sign_on_pages,
    undo_pages,
)
from trouvaille.accounts import api as accounts_api
from trouvaille.accounts import entry_api as accounts_entry_api
from trouvaille.accounts import pages as accounts_pages
from trouvaille.accounts.identity import identify
from trouvaille.accounts.passwords import Passwords
from trouvaille.cameras import pages as cameras_pages
from trouvaille.core import metrics, traces
from trouvaille.core.db import connect, sessions_of
from trouvaille.core.live import Hub
from trouvaille.core.moving import following
from trouvaille.core.openid import OpenId
from trouvaille.core.reading import Reader
from trouvaille.core.rush import Answers, Rush
from trouvaille.core.secrets import Vault, load_key
from trouvaille.core.snapshots import Reporter
from trouvaille.core.storage import Storage
from trouvaille.crew import accepting_api, event_pages, invitation_pages, staff_api, staff_pages
from trouvaille.crew import api as crew_api
from trouvaille.delivery import (
    desk_pages,
    guest_api,
    nearby_pages,
    offline_pages,
    pictures,
    request_pages,
    requests_api,
    wall_pages,
    zip_pages,
)
from trouvaille.delivery import kept as delivery_kept
from trouvaille.delivery import pages as delivery_pages
from trouvaille.delivery.overview import Overviews
from trouvaille.delivery.packing import Slots as ZipSlots
from trouvaille.delivery.shortcut import Shortcut
from trouvaille.events import api as events_api
from trouvaille.events import app_pages as events_app
from trouvaille.events import pages as events_pages
from trouvaille.events import picture_pages as events_pictures
from trouvaille.events import pictures_api as events_pictures_api
from trouvaille.events import print_pages as events_print
from trouvaille.events import reminder_api as events_reminder_api
from trouvaille.events import removed_api as events_removed_api
from trouvaille.events import studio_pages as events_studio
from trouvaille.events.checks import Codes, guard_codes
from trouvaille.guests import api as guests_api
from trouvaille.guests import (
    consent,
    invitations_api,
    join_pages,
    messages_api,
    own_messages_api,
    pass_pages,
    registration_pages,
    selfie_api,
)
from trouvaille.guests import entry_api as guests_entry_api
from trouvaille.guests import invitation_pages as guests_invitations
from trouvaille.guests import kept as guests_kept
from trouvaille.guests import message_pages as guests_messages
from trouvaille.guests import pages as guests_pages
from trouvaille.guests import sign_on_pages as guests_sign_on_pages
from trouvaille.guests.queueing import SelfieQueue
from trouvaille.imports import pages as imports_pages
from trouvaille.imports.sending import Archives
from trouvaille.ingest import routes as ingest_routes
from trouvaille.ingest import sweeper
from trouvaille.ingest.service import Receiver
from trouvaille.matching import kept as matching_kept
from trouvaille.news import carriers, push_pages
from trouvaille.news import kept as news_kept
from trouvaille.news import pages as news_pages
from trouvaille.operations import pages as operations_pages
from trouvaille.operations import probes
from trouvaille.operations.health import Health
from trouvaille.operations.token import load_token
from trouvaille.photos import api as photos_api
from trouvaille.photos import by_code_api, clock_pages, grid_pages, quotas, watermark_pages
from trouvaille.photos import pages as photos_pages
from trouvaille.photos.intake import Limits as PhotoLimits
from trouvaille.privacy import guest_api as privacy_api
from trouvaille.privacy import legal_pages, texts
from trouvaille.privacy import pages as privacy_pages
from trouvaille.rekognition import pages as rekognition_pages
from trouvaille.rekognition.costs import Tariff
from trouvaille.roster import api as roster_api
from trouvaille.roster import pages as roster_pages
from trouvaille.settings import Engine, Settings
from trouvaille.web import api_pages, errors, i18n, worker_pages
from trouvaille.web.metered import Metered
from trouvaille.web.patience import Patience
from trouvaille.web.render import STATIC, environment
from trouvaille.web.security import Guard
from trouvaille.web.served import Assets
from trouvaille.web.site import Limits, Site, read_form

_EVERY_REQUEST = (Depends(identify), Depends(guard_codes, scope="function"), Depends(read_form))
_ROUTERS = (
    # Asked in this order for every request: what guests ask for most comes first.
    pictures.router,
    delivery_pages.router,
    offline_pages.router,
    guests_pages.router,
    events_pages.router,
    privacy_pages.router,
    *ingest_routes.routers,
    guests_api.router,
    registration_pages.router,
    accounts_pages.router,
    account_pages.router,
    link_pages.router,
    server_pages.router,
    sign_on_pages.router,
    undo_pages.router,
    me_api.router,
    sign_on_api.router,
    audit_api.router,
    accounts_api.router,
    events_app.router,
    events_studio.router,
    events_pictures.router,
    events_print.router,
    rekognition_pages.router,
    photos_pages.router,
    clock_pages.router,
    watermark_pages.router,
    grid_pages.router,
    by_code_api.router,
    cameras_pages.router,
    imports_pages.router,
    join_pages.router,
    pass_pages.router,
    guests_sign_on_pages.router,
    desk_pages.router,
    zip_pages.router,
    request_pages.router,
    nearby_pages.router,
    news_pages.router,
    push_pages.router,
    legal_pages.router,
    event_pages.router,
    invitation_pages.router,
    staff_pages.router,
    guests_invitations.router,
    guests_messages.router,
    roster_pages.router,
    operations_pages.router,
    wall_pages.router,
    events_api.router,
    photos_api.router,
    roster_api.router,
    crew_api.router,
    staff_api.router,
    messages_api.router,
    invitations_api.router,
    events_pictures_api.router,
    events_reminder_api.router,
    events_removed_api.router,
    requests_api.router,
    guest_api.router,
    guests_entry_api.router,
    selfie_api.router,
    own_messages_api.router,
    accounts_entry_api.router,
    accepting_api.router,
    privacy_api.router,
    api_pages.router,
    worker_pages.router,
)


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """The routes of all slices. They know of no application, so that a process with several resolves them once."""
    whole = APIRouter(dependencies=list(_EVERY_REQUEST), redirect_slashes=False)
    for router in _ROUTERS:
        whole.include_router(router)
    return tuple(whole.routes)


def warm_up() -> None:
    """Prepare what is the same in all web processes, before they are forked from this one."""
    _routes()
    # Those of the other languages are compiled as they are asked for.
    templates = environment(i18n.current())
    for name in templates.list_templates():
        templates.get_template(name)


def create_app(settings: Settings) -> FastAPI:
    """An application for one web process. ``settings.database_url`` must be set."""
    if settings.database_url is None:
        raise ValueError("the web process needs DATABASE_URL; `trouvaille serve` sets it")
    engine = connect(settings.database_url, pool_size=settings.database_pool_size, application="trouvaille web")
    site = _site(settings, engine)
    public_url = (settings.public_url or "").rstrip("/")
    carriers.install(carriers.Carriers(site.vault, public_url) if site.sends_mail else None)
    app = FastAPI(
        title="Trouvaille",
        lifespan=_lifespan,
        dependencies=list(_EVERY_REQUEST),
        openapi_url=None,
        redirect_slashes=False,
    )
    rush, answers = Rush(settings.data_dir), Answers()
    _equip(app.state, settings, site, engine, rush, answers)
    errors.install(app)
    app.mount("/static", Assets(directory=STATIC, check_dir=False), name="static")
    probes.install(app)
    app.router.routes.extend(_routes())
    # The last that is added sees a request first.
    app.add_middleware(Shortcut)
    app.add_middleware(i18n.Languages)
    app.add_middleware(
        Guard,
        public_url=settings.public_url,
        upload_bytes=settings.upload_limit_bytes,
        selfie_bytes=settings.selfie_limit_bytes,
    )
    app.add_middleware(Patience)
    app.add_middleware(logs.RequestLog)
    app.add_middleware(Metered, rush=rush, answers=answers)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    traces.configure("web")
    state, site = app.state, app.state.site
    async with site.hub, state.reporter, following(site.sessions, site.storage):
        sweeping = asyncio.create_task(sweeper.keep_sweeping(state.receiver, state.settings.database_url))
        yield
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping
    state.receiver.close()
    state.passwords.close()
    await state.engine.dispose()


def _equip(state: State, settings: Settings, site: Site, engine: AsyncEngine, rush: Rush, answers: Answers) -> None:
    """What requests of this process share."""
    state.settings, state.site, state.engine = settings, site, engine
    state.passwords = Passwords(
        settings.hashing_threads,
        memory_kib=settings.password_memory_kib,
        passes=settings.password_passes,
        longest_wait_s=settings.hashing_wait_s,
    )
    state.receiver = Receiver(
        site.sessions,
        site.storage,
        PhotoLimits(settings.photo_limit_bytes, settings.photo_limit_pixels),
        folder=settings.staging_dir,
        rush=rush,
        answers=answers,
        kept_hours=settings.uploads_kept_hours,
    )
    state.receiver.archives = Archives(site.sessions, site.storage, site.vault, settings.archive_limit_bytes)
    state.metrics_token = load_token(settings.data_dir, settings.metrics_token)
    state.health = Health(site.sessions, site.storage)
    state.reporter = Reporter(settings.database_url or "", "web", measure=_gauges(engine, site, state.passwords))
    state.sign_on = {
        each.key: OpenId(each, redirect_uri=f"{(settings.public_url or '').rstrip('/')}/sign-on/{each.key}/callback")
        for each in site.providers
    }
    state.codes, state.selfie_queue = Codes(), SelfieQueue()
    state.zip_slots, state.overviews = ZipSlots(), Overviews()
    state.legal_texts = texts.load(site.legal.texts_dir)
    state.kept = (*guests_kept.PARTS, *matching_kept.PARTS, *delivery_kept.PARTS, *news_kept.PARTS)
    state.tariff = Tariff(settings.rekognition_price_per_1000, settings.rekognition_monthly_ceiling)


def _site(settings: Settings, engine: AsyncEngine) -> Site:
    sessions = sessions_of(engine)
    quotas.set_defaults(sessions, settings.quotas())
    consent.set_region(sessions, settings.legal().region)
    vault = Vault(load_key(settings.data_dir / "secret.key"))
    return Site(
        sessions=sessions,
        reader=Reader(engine),
        storage=Storage(settings.photos_url),
        vault=vault,
        hub=Hub(
            settings.database_url or "",
            streams_at_once=settings.streams_at_once,
            streams_per_address=settings.streams_per_address,
        ),
        limits=Limits(
            photo_bytes=settings.photo_limit_bytes,
            photo_pixels=settings.photo_limit_pixels,
            upload_bytes=settings.upload_limit_bytes,
            selfie_bytes=settings.selfie_limit_bytes,
            bin_days=settings.bin_days,
        ),
        public_url=settings.public_url,
        session_idle_days=settings.session_idle_days,
        session_absolute_days=settings.session_absolute_days,
        import_rules=settings.imports(),
        has_costs=settings.engine is Engine.REKOGNITION,
        sends_mail=settings.smtp_host is not None,
        operator_contact=settings.operator_contact,
        ftp_port=settings.ftp_port,
        ftp_plain=settings.ftp_plain,
        ftp_host=settings.ftp_public_address,
        providers=settings.providers(),
        legal=settings.legal(),
        push=settings.push_sender(vault),
        service_worker=settings.service_worker,
    )


def _gauges(engine: AsyncEngine, site: Site, passwords: Passwords) -> Callable[[], None]:
    """Reads what has a level rather than a count."""

    def measure() -> None:
        if isinstance(engine.pool, QueuePool):
            metrics.POOL_SIZE.labels("web").set(engine.pool.size())
            metrics.POOL_USED.labels("web").set(engine.pool.checkedout())
        metrics.STREAMS.set(site.hub.open_listeners)
        metrics.HASHING.set(passwords.waiting)

    return measure
