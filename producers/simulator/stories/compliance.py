"""Compliance: brands, campaigns and numbers are registered or rejected. Days of review are minutes here."""

from dataclasses import dataclass
from typing import Final

from eventstreams.events import Event
from producers.simulator.scene import Scene
from producers.simulator.story import SimulatedProduct, Story

_REVIEW_S: Final = 600.0  # in reality hours to days, which would hardly ever end within a simulation
_P_BAD_ADDRESS: Final = 0.1
_P_SHARED: Final = 0.2
_P_EDITED: Final = 0.5
_P_SUBMITTED: Final = 0.95
_BRAND_ENDS: Final = {"verified": 6, "vetted": 3, "unverified": 2, "failure": 2, "vetting-failure": 1}
_P_APPROVED: Final = 0.8
_P_CLEANUP: Final = 0.3
_P_SUSPENDED: Final = 0.3
_P_NUMBER_FAILED: Final = 0.15
_TOLL_FREE_ENDS: Final = {"request-approved": 6, "rejected": 4}
_PREFIX: Final = "com.twilio.messaging.compliance"
_ERROR: Final = {
    "registrationerrorcode": "30795",
    "registrationerrordescription": "The tax number does not fit the company's name.",
    "registrationerrorfields": ["business_registration_number"],
}


def brand(scene: Scene) -> Story:
    """A brand, from the e-mail to its contact to the registry's decision."""
    sid, created = scene.sid("BN"), scene.now_ms

    def told(name: str, status: str, **more: object) -> Event:
        data: dict[str, object] = {
            "accountsid": scene.company.account_sid,
            "brandsid": sid,
            "brandstatus": status,
            "createddate": created,
            "updateddate": scene.now_ms,
            **more,
        }
        return scene.event(f"{_PREFIX}.brand-registration.{name}", f"/v1/a2p/BrandRegistrations/{sid}", data)

    if scene.happens(_P_BAD_ADDRESS):
        yield told("invalid-contact-email", "pending")
        return
    for step in ("sent", "opened", "clicked", "completed"):
        yield told(f"email-2fa-{step}", "pending")
        scene.wait_about(120)
        if step != "completed" and scene.happens(_P_BAD_ADDRESS):
            scene.wait_about(_REVIEW_S)
            yield told("email-2fa-timeout", "pending")
            return
    end, registry = scene.pick_weighted(_BRAND_ENDS), f"B{sid[-6:].upper()}"
    if end == "failure":
        yield told("brand-failure", "failed", identitystatus="UNVERIFIED", brandregistrationerrors=[_ERROR])
        return
    if end == "unverified":
        yield told("brand-unverified", "unverified", identitystatus="UNVERIFIED", externalbrandid=registry)
        return
    yield told("brand-registered", "registered", identitystatus="SELF_DECLARED", externalbrandid=registry)
    scene.wait_about(60)
    yield told("brand-verified", "registered", identitystatus="VERIFIED", externalbrandid=registry, brandscore="75")
    if end != "verified":
        scene.wait_about(_REVIEW_S)
        name, score = ("brand-vetted-verified", "80") if end == "vetted" else ("brand-secondary-vetting-failure", "0")
        yield told(name, "registered", identitystatus="VERIFIED", externalbrandid=registry, vettingscore=score)
    if scene.happens(_P_SHARED):
        for name in ("sharing-created", "sharing-deleted"):
            scene.wait_about(_REVIEW_S)
            yield told(name, "registered", identitystatus="VERIFIED", externalbrandid=registry)


def campaign(scene: Scene) -> Story:
    """A campaign until it is approved or rejected, and its end."""
    sid, created, company = scene.sid("QE"), scene.now_ms, scene.company
    ids = {"accountsid": company.account_sid, "brandsid": company.sid("BN"), "messagingservicesid": company.sid("MG")}

    def told(name: str, status: str, **more: object) -> Event:
        data: dict[str, object] = {
            **ids,
            "campaignsid": sid,
            "campaignstatus": status,
            "createddate": created,
            "updateddate": scene.now_ms,
            **more,
        }
        return scene.event(f"{_PREFIX}.campaign-registration.{name}", f"/v1/a2p/Campaigns/{sid}", data)

    yield told("campaign-submitted", "pending")
    scene.wait_about(_REVIEW_S)
    if not scene.happens(_P_APPROVED):
        yield told("campaign-failure", "failed", campaignregistrationerrors=[_ERROR])
        return
    yield told("campaign-approved", "approved", externalcampaignid=f"C{sid[-6:].upper()}")
    if not scene.happens(_P_CLEANUP):
        return
    scene.wait_about(_REVIEW_S)
    if scene.happens(_P_SUSPENDED):
        yield told("suspended-campaign-delete-submitted", "suspended")
        scene.wait_about(60)
    yield told("campaign-deleted", "deleted")
    for step in ("started", "finished"):
        scene.wait_about(10)
        data = {**ids, "campaignsid": sid, "cleanupstatus": step, "timestamp": scene.now_ms}
        source = f"/v1/a2p/Campaigns/{sid}"
        yield scene.event(f"{_PREFIX}.a2p-resource-cleanup-{step}", source, data)


def number(scene: Scene) -> Story:
    """A number is registered for the company's campaign and, if that succeeds, deregistered again."""
    company, phone, sid, created = scene.company, scene.pick(scene.company.phones), scene.sid("PN"), scene.now_ms
    for direction in ("registration", "deregistration"):
        failed = scene.happens(_P_NUMBER_FAILED)
        for status in ("pending", "failed" if failed else "successful"):
            data: dict[str, object] = {
                "accountsid": company.account_sid,
                "phonenumbersid": sid,
                "phonenumber": phone.number,
                "messagingservicesid": company.sid("MG"),
                "campaignsid": company.sid("QE"),
                "status": status,
                "createddate": created,
                "updateddate": scene.now_ms,
            }
            if status == "failed":
                data |= {"errorcode": "30007", "errordescription": "The number is with another campaign."}
            yield scene.event(f"{_PREFIX}.number-{direction}.{status}", f"/v1/a2p/PhoneNumbers/{sid}", data)
            scene.wait_about(_REVIEW_S)
        if failed:
            return


def toll_free(scene: Scene) -> Story:
    """The verification of a toll-free number: reviewed, perhaps rejected and edited, and perhaps deleted at the end."""
    made = _TollFree(scene, scene.sid("HH"))
    yield made.event("requested", "PENDING_REVIEW")
    scene.wait_about(30)
    if not scene.happens(_P_SUBMITTED):
        yield made.event("failure", "TWILIO_REJECTED")
        return
    yield made.event("pending-review", "PENDING_REVIEW")
    scene.wait_about(_REVIEW_S)
    end = scene.pick_weighted(_TOLL_FREE_ENDS)
    if end == "rejected":
        yield made.event("rejected", "TWILIO_REJECTED")
        scene.wait_about(_REVIEW_S)
        if not scene.happens(_P_EDITED):
            yield made.event("expired", "TWILIO_REJECTED")
            return
        yield made.event("edit", "IN_REVIEW")
        scene.wait_about(_REVIEW_S)
    yield made.event("request-approved", "TWILIO_APPROVED")
    if scene.happens(_P_CLEANUP):
        scene.wait_about(_REVIEW_S)
        yield made.event("deleted", "DELETED")


PRODUCT: Final = SimulatedProduct("compliance", 2, {brand: 2, campaign: 2, number: 3, toll_free: 2})


@dataclass(frozen=True, slots=True)
class _TollFree:
    scene: Scene
    sid: str

    def event(self, name: str, status: str) -> Event:
        company = self.scene.company
        data = {
            "accountsid": company.account_sid,
            "parentaccountsid": company.account_sid,
            "tollfreeverificationsid": self.sid,
            "phonenumbersid": company.sid("PN", "toll-free"),
            "customerprofilesid": company.sid("BU"),
            "regulateditemsid": company.sid("RA"),
            "trustproductsid": company.sid("BU", "trust"),
            "processeddate": self.scene.stamp_s,
            "verificationstatus": status,
        }
        return self.scene.event(
            f"{_PREFIX}.toll-free-verification.{name}", f"/v1/Tollfree/Verifications/{self.sid}", data
        )
