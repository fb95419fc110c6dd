"""Messaging compliance: a class for each event type.

Written by ``eventstreams generate-producers`` from the catalogue: change it there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from eventstreams.events import Event
from producers.product_event import Data, ProductEvent, Record, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationError(Record):
    """One thing that is wrong with a registration."""

    registrationerrorcode: str | None = None
    """Code of the error, as text."""
    registrationerrordescription: str | None = None
    """The error in words."""
    registrationerrorurl: str | None = None
    """Where it is explained."""
    registrationerrorfields: Sequence[str] | None = None
    """Fields of the registration that it is about."""

    @override
    def as_data(self) -> Data:
        return {
            "registrationerrorcode": self.registrationerrorcode,
            "registrationerrordescription": self.registrationerrordescription,
            "registrationerrorurl": self.registrationerrorurl,
            "registrationerrorfields": self.registrationerrorfields,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _BrandRegistered(ProductEvent):
    """A brand was registered with the carriers, verified, or lent to another account (``A2P.BrandRegistered``,
    version 2).
    """

    brandsid: str
    """SID of the registration, BN and 32 hexadecimal digits."""
    brandstatus: str | None = None
    """How far the registration is, such as pending, registered, failed or unverified."""
    externalbrandid: str | None = None
    """Id of the brand at the carriers' registry; absent until it has one."""
    brandscore: str | None = None
    """Trust that the registry has in the brand, 0 to 100, as text; absent until it was judged."""
    vettingscore: str | None = None
    """Outcome of a closer look at the brand, 0 to 100, as text; absent where there was none."""
    identitystatus: str | None = None
    """Whether the brand is who it says, such as VERIFIED or UNVERIFIED."""
    brandfeedback: str | None = None
    """What the registry wants to have mended, such as TAX_ID; absent where nothing."""
    brandvettingoutcome: str | None = None
    """How the closer look ended, such as PASSED or FAILED; absent where there was none."""
    createddate: int | None = None
    """When the registration was begun, in milliseconds since 1970."""
    updateddate: int | None = None
    """When it last changed, in milliseconds since 1970."""
    brandregistrationerrors: Sequence[RegistrationError] | None = None
    """What is wrong; absent where nothing is."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "brandsid": self.brandsid,
            "brandstatus": self.brandstatus,
            "externalbrandid": self.externalbrandid,
            "brandscore": self.brandscore,
            "vettingscore": self.vettingscore,
            "identitystatus": self.identitystatus,
            "brandfeedback": self.brandfeedback,
            "brandvettingoutcome": self.brandvettingoutcome,
            "createddate": self.createddate,
            "updateddate": self.updateddate,
            "brandregistrationerrors": plain(self.brandregistrationerrors),
        }
        return self._event(data, version=2, source=f"/v1/a2p/BrandRegistrations/{self.brandsid}", key=self.brandsid)


class BrandRegistered(_BrandRegistered):
    """A brand was registered with the carriers."""

    TYPE = "com.twilio.messaging.compliance.brand-registration.brand-registered"


class BrandVerified(_BrandRegistered):
    """It was verified that a registered brand is who it says."""

    TYPE = "com.twilio.messaging.compliance.brand-registration.brand-verified"


class BrandVettedVerified(_BrandRegistered):
    """A closer look at a brand has found for it."""

    TYPE = "com.twilio.messaging.compliance.brand-registration.brand-vetted-verified"


class BrandRegistrationSharingCreated(_BrandRegistered):
    """A brand may be used by another account."""

    TYPE = "com.twilio.messaging.compliance.brand-registration.sharing-created"


class BrandRegistrationSharingDeleted(_BrandRegistered):
    """A brand may no longer be used by another account."""

    TYPE = "com.twilio.messaging.compliance.brand-registration.sharing-deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandFailure(ProductEvent):
    """A brand could not be registered.

    The registration of a brand has failed (``A2P.BrandRegistrationFailure``, version 3).
    """

    TYPE = "com.twilio.messaging.compliance.brand-registration.brand-failure"

    brandsid: str
    """SID of the registration, BN and 32 hexadecimal digits."""
    brandstatus: str | None = None
    """How far the registration is, such as pending, registered, failed or unverified."""
    externalbrandid: str | None = None
    """Id of the brand at the carriers' registry; absent until it has one."""
    brandscore: str | None = None
    """Trust that the registry has in the brand, 0 to 100, as text; absent until it was judged."""
    vettingscore: str | None = None
    """Outcome of a closer look at the brand, 0 to 100, as text; absent where there was none."""
    identitystatus: str | None = None
    """Whether the brand is who it says, such as VERIFIED or UNVERIFIED."""
    brandfeedback: str | None = None
    """What the registry wants to have mended, such as TAX_ID; absent where nothing."""
    brandvettingoutcome: str | None = None
    """How the closer look ended, such as PASSED or FAILED; absent where there was none."""
    createddate: int | None = None
    """When the registration was begun, in milliseconds since 1970."""
    updateddate: int | None = None
    """When it last changed, in milliseconds since 1970."""
    brandregistrationerrors: Sequence[RegistrationError] | None = None
    """What is wrong; absent where nothing is."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "brandsid": self.brandsid,
            "brandstatus": self.brandstatus,
            "externalbrandid": self.externalbrandid,
            "brandscore": self.brandscore,
            "vettingscore": self.vettingscore,
            "identitystatus": self.identitystatus,
            "brandfeedback": self.brandfeedback,
            "brandvettingoutcome": self.brandvettingoutcome,
            "createddate": self.createddate,
            "updateddate": self.updateddate,
            "brandregistrationerrors": plain(self.brandregistrationerrors),
        }
        return self._event(data, version=3, source=f"/v1/a2p/BrandRegistrations/{self.brandsid}", key=self.brandsid)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandUnverified(ProductEvent):
    """A brand was registered, but not verified.

    A brand was registered, but nobody could verify who it is (``A2P.BrandRegisteredUnverified``, version 3).
    """

    TYPE = "com.twilio.messaging.compliance.brand-registration.brand-unverified"

    brandsid: str
    """SID of the registration, BN and 32 hexadecimal digits."""
    brandstatus: str | None = None
    """How far the registration is, such as pending, registered, failed or unverified."""
    externalbrandid: str | None = None
    """Id of the brand at the carriers' registry; absent until it has one."""
    brandscore: str | None = None
    """Trust that the registry has in the brand, 0 to 100, as text; absent until it was judged."""
    vettingscore: str | None = None
    """Outcome of a closer look at the brand, 0 to 100, as text; absent where there was none."""
    identitystatus: str | None = None
    """Whether the brand is who it says, such as VERIFIED or UNVERIFIED."""
    brandfeedback: str | None = None
    """What the registry wants to have mended, such as TAX_ID; absent where nothing."""
    brandvettingoutcome: str | None = None
    """How the closer look ended, such as PASSED or FAILED; absent where there was none."""
    createddate: int | None = None
    """When the registration was begun, in milliseconds since 1970."""
    updateddate: int | None = None
    """When it last changed, in milliseconds since 1970."""
    brandregistrationerrors: Sequence[RegistrationError] | None = None
    """What is wrong; absent where nothing is."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "brandsid": self.brandsid,
            "brandstatus": self.brandstatus,
            "externalbrandid": self.externalbrandid,
            "brandscore": self.brandscore,
            "vettingscore": self.vettingscore,
            "identitystatus": self.identitystatus,
            "brandfeedback": self.brandfeedback,
            "brandvettingoutcome": self.brandvettingoutcome,
            "createddate": self.createddate,
            "updateddate": self.updateddate,
            "brandregistrationerrors": plain(self.brandregistrationerrors),
        }
        return self._event(data, version=3, source=f"/v1/a2p/BrandRegistrations/{self.brandsid}", key=self.brandsid)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandSecondaryVettingFailure(ProductEvent):
    """A closer look at a brand has found against it (``A2P.BrandRegistrationSecondaryVettingFailure``, version 2)."""

    TYPE = "com.twilio.messaging.compliance.brand-registration.brand-secondary-vetting-failure"

    brandsid: str
    """SID of the registration, BN and 32 hexadecimal digits."""
    brandstatus: str | None = None
    """How far the registration is, such as pending, registered, failed or unverified."""
    externalbrandid: str | None = None
    """Id of the brand at the carriers' registry; absent until it has one."""
    brandscore: str | None = None
    """Trust that the registry has in the brand, 0 to 100, as text; absent until it was judged."""
    vettingscore: str | None = None
    """Outcome of a closer look at the brand, 0 to 100, as text; absent where there was none."""
    identitystatus: str | None = None
    """Whether the brand is who it says, such as VERIFIED or UNVERIFIED."""
    brandfeedback: str | None = None
    """What the registry wants to have mended, such as TAX_ID; absent where nothing."""
    brandvettingoutcome: str | None = None
    """How the closer look ended, such as PASSED or FAILED; absent where there was none."""
    createddate: int | None = None
    """When the registration was begun, in milliseconds since 1970."""
    updateddate: int | None = None
    """When it last changed, in milliseconds since 1970."""
    brandregistrationerrors: Sequence[RegistrationError] | None = None
    """What is wrong; absent where nothing is."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "brandsid": self.brandsid,
            "brandstatus": self.brandstatus,
            "externalbrandid": self.externalbrandid,
            "brandscore": self.brandscore,
            "vettingscore": self.vettingscore,
            "identitystatus": self.identitystatus,
            "brandfeedback": self.brandfeedback,
            "brandvettingoutcome": self.brandvettingoutcome,
            "createddate": self.createddate,
            "updateddate": self.updateddate,
            "brandregistrationerrors": plain(self.brandregistrationerrors),
        }
        return self._event(data, version=2, source=f"/v1/a2p/BrandRegistrations/{self.brandsid}", key=self.brandsid)


@dataclass(frozen=True, slots=True, kw_only=True)
class _BrandRegistrationEmail2FAClicked(ProductEvent):
    """The e-mail that asks a brand's contact to confirm has moved on (``A2P.BrandRegistrationEmail2FAClicked``,
    version 2).
    """

    brandsid: str
    """SID of the registration, BN and 32 hexadecimal digits."""
    brandstatus: str | None = None
    """How far the registration is, such as pending, registered, failed or unverified."""
    externalbrandid: str | None = None
    """Id of the brand at the carriers' registry; absent until it has one."""
    brandscore: str | None = None
    """Trust that the registry has in the brand, 0 to 100, as text; absent until it was judged."""
    vettingscore: str | None = None
    """Outcome of a closer look at the brand, 0 to 100, as text; absent where there was none."""
    identitystatus: str | None = None
    """Whether the brand is who it says, such as VERIFIED or UNVERIFIED."""
    brandfeedback: str | None = None
    """What the registry wants to have mended, such as TAX_ID; absent where nothing."""
    brandvettingoutcome: str | None = None
    """How the closer look ended, such as PASSED or FAILED; absent where there was none."""
    createddate: int | None = None
    """When the registration was begun, in milliseconds since 1970."""
    updateddate: int | None = None
    """When it last changed, in milliseconds since 1970."""
    brandregistrationerrors: Sequence[RegistrationError] | None = None
    """What is wrong; absent where nothing is."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "brandsid": self.brandsid,
            "brandstatus": self.brandstatus,
            "externalbrandid": self.externalbrandid,
            "brandscore": self.brandscore,
            "vettingscore": self.vettingscore,
            "identitystatus": self.identitystatus,
            "brandfeedback": self.brandfeedback,
            "brandvettingoutcome": self.brandvettingoutcome,
            "createddate": self.createddate,
            "updateddate": self.updateddate,
            "brandregistrationerrors": plain(self.brandregistrationerrors),
        }
        return self._event(data, version=2, source=f"/v1/a2p/BrandRegistrations/{self.brandsid}", key=self.brandsid)


class BrandRegistrationEmail2faClicked(_BrandRegistrationEmail2FAClicked):
    """The contact of a brand has followed the link in that e-mail."""

    TYPE = "com.twilio.messaging.compliance.brand-registration.email-2fa-clicked"


class BrandRegistrationEmail2faCompleted(_BrandRegistrationEmail2FAClicked):
    """The contact of a brand has confirmed."""

    TYPE = "com.twilio.messaging.compliance.brand-registration.email-2fa-completed"


class BrandRegistrationEmail2faOpened(_BrandRegistrationEmail2FAClicked):
    """The contact of a brand has opened that e-mail."""

    TYPE = "com.twilio.messaging.compliance.brand-registration.email-2fa-opened"


class BrandRegistrationEmail2faSent(_BrandRegistrationEmail2FAClicked):
    """The contact of a brand was asked by e-mail to confirm."""

    TYPE = "com.twilio.messaging.compliance.brand-registration.email-2fa-sent"


class BrandRegistrationEmail2faTimeout(_BrandRegistrationEmail2FAClicked):
    """The contact of a brand has not confirmed in time."""

    TYPE = "com.twilio.messaging.compliance.brand-registration.email-2fa-timeout"


class BrandRegistrationInvalidContactEmail(_BrandRegistrationEmail2FAClicked):
    """The address of a brand's contact cannot be written to."""

    TYPE = "com.twilio.messaging.compliance.brand-registration.invalid-contact-email"


@dataclass(frozen=True, slots=True, kw_only=True)
class _CampaignEvent(ProductEvent):
    """The registration of a campaign has moved on (``A2P.CampaignEvent``, version 1)."""

    brandsid: str | None = None
    """SID of the brand that it is for, BN and 32 hexadecimal digits."""
    messagingservicesid: str | None = None
    """SID of the messaging service that is to send it."""
    campaignsid: str
    """SID of the registration, QE and 32 hexadecimal digits."""
    externalcampaignid: str | None = None
    """Id of the campaign at the carriers' registry; absent until it has one."""
    campaignstatus: str | None = None
    """How far it is, such as submitted, approved, failed or deleted."""
    createddate: int | None = None
    """When the registration was begun, in milliseconds since 1970."""
    updateddate: int | None = None
    """When it last changed, in milliseconds since 1970."""
    campaignregistrationerrors: Sequence[RegistrationError] | None = None
    """What is wrong; absent where nothing is."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "brandsid": self.brandsid,
            "messagingservicesid": self.messagingservicesid,
            "campaignsid": self.campaignsid,
            "externalcampaignid": self.externalcampaignid,
            "campaignstatus": self.campaignstatus,
            "createddate": self.createddate,
            "updateddate": self.updateddate,
            "campaignregistrationerrors": plain(self.campaignregistrationerrors),
        }
        return self._event(data, version=1, source=f"/v1/a2p/Campaigns/{self.campaignsid}", key=self.campaignsid)


class CampaignApproved(_CampaignEvent):
    """A campaign may be sent."""

    TYPE = "com.twilio.messaging.compliance.campaign-registration.campaign-approved"


class CampaignDeleted(_CampaignEvent):
    """A campaign was deleted."""

    TYPE = "com.twilio.messaging.compliance.campaign-registration.campaign-deleted"


class CampaignFailure(_CampaignEvent):
    """A campaign could not be registered."""

    TYPE = "com.twilio.messaging.compliance.campaign-registration.campaign-failure"


class CampaignSubmitted(_CampaignEvent):
    """A campaign was handed to the carriers' registry."""

    TYPE = "com.twilio.messaging.compliance.campaign-registration.campaign-submitted"


class CampaignRegistrationSuspendedCampaignDeleteSubmitted(_CampaignEvent):
    """A suspended campaign is to be deleted."""

    TYPE = "com.twilio.messaging.compliance.campaign-registration.suspended-campaign-delete-submitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class _ComplianceNumberRegistration(ProductEvent):
    """A number's registration for a campaign, or its removal from one, has moved on
    (``Messaging.ComplianceNumberRegistration``, version 1).
    """

    phonenumbersid: str
    """SID of the number, PN and 32 hexadecimal digits."""
    phonenumber: str | None = None
    """The number, in E.164."""
    messagingservicesid: str | None = None
    """SID of the messaging service that the number belongs to."""
    campaignsid: str | None = None
    """SID of the campaign, QE and 32 hexadecimal digits."""
    externalcampaignid: str | None = None
    """Id of the campaign at the carriers' registry; absent until it has one."""
    status: str | None = None
    """pending, successful or failed."""
    errorcode: str | None = None
    """Why it failed, as text; absent where it has not."""
    errordescription: str | None = None
    """The same in words."""
    createddate: int | None = None
    """When it was asked for, in milliseconds since 1970."""
    updateddate: int | None = None
    """When it last changed, in milliseconds since 1970."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "phonenumbersid": self.phonenumbersid,
            "phonenumber": self.phonenumber,
            "messagingservicesid": self.messagingservicesid,
            "campaignsid": self.campaignsid,
            "externalcampaignid": self.externalcampaignid,
            "status": self.status,
            "errorcode": self.errorcode,
            "errordescription": self.errordescription,
            "createddate": self.createddate,
            "updateddate": self.updateddate,
        }
        return self._event(
            data,
            version=1,
            source=f"/v1/a2p/PhoneNumbers/{self.phonenumbersid}",
            key=self.phonenumbersid,
        )


class NumberDeregistrationFailed(_ComplianceNumberRegistration):
    """A number could not be taken from a campaign."""

    TYPE = "com.twilio.messaging.compliance.number-deregistration.failed"


class NumberDeregistrationPending(_ComplianceNumberRegistration):
    """A number is being taken from a campaign."""

    TYPE = "com.twilio.messaging.compliance.number-deregistration.pending"


class NumberDeregistrationSuccessful(_ComplianceNumberRegistration):
    """A number was taken from a campaign."""

    TYPE = "com.twilio.messaging.compliance.number-deregistration.successful"


class NumberRegistrationFailed(_ComplianceNumberRegistration):
    """A number could not be registered for a campaign."""

    TYPE = "com.twilio.messaging.compliance.number-registration.failed"


class NumberRegistrationPending(_ComplianceNumberRegistration):
    """A number is being registered for a campaign."""

    TYPE = "com.twilio.messaging.compliance.number-registration.pending"


class NumberRegistrationSuccessful(_ComplianceNumberRegistration):
    """A number was registered for a campaign."""

    TYPE = "com.twilio.messaging.compliance.number-registration.successful"


@dataclass(frozen=True, slots=True, kw_only=True)
class TollFreeVerificationEdit(ProductEvent):
    """The verification of a toll-free number was edited by its owner (``TollFree.VerificationEdit``, version 2)."""

    TYPE = "com.twilio.messaging.compliance.toll-free-verification.edit"

    parentaccountsid: str | None = None
    """SID of the account above it; absent where there is none."""
    tollfreeverificationsid: str
    """SID of the verification, HH and 32 hexadecimal digits."""
    phonenumbersid: str | None = None
    """SID of the number, PN and 32 hexadecimal digits."""
    customerprofilesid: str | None = None
    """SID of the profile of the company that sends, BU and 32 hexadecimal digits."""
    regulateditemsid: str | None = None
    """SID of what is regulated: the number within the verification."""
    trustproductsid: str | None = None
    """SID of the bundle of evidence, BU and 32 hexadecimal digits."""
    processeddate: str | None = None
    """When it came to this, RFC 3339."""
    verificationstatus: str | None = None
    """How far it is, such as PENDING_REVIEW, IN_REVIEW, TWILIO_APPROVED or TWILIO_REJECTED."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "parentaccountsid": self.parentaccountsid,
            "tollfreeverificationsid": self.tollfreeverificationsid,
            "phonenumbersid": self.phonenumbersid,
            "customerprofilesid": self.customerprofilesid,
            "regulateditemsid": self.regulateditemsid,
            "trustproductsid": self.trustproductsid,
            "processeddate": self.processeddate,
            "verificationstatus": self.verificationstatus,
        }
        return self._event(
            data,
            version=2,
            source=f"/v1/Tollfree/Verifications/{self.tollfreeverificationsid}",
            key=self.tollfreeverificationsid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TollFreeVerificationRequested(ProductEvent):
    """The verification of a toll-free number was asked for (``TollFree.VerificationRequested``, version 1)."""

    TYPE = "com.twilio.messaging.compliance.toll-free-verification.requested"

    parentaccountsid: str | None = None
    """SID of the account above it; absent where there is none."""
    tollfreeverificationsid: str
    """SID of the verification, HH and 32 hexadecimal digits."""
    phonenumbersid: str | None = None
    """SID of the number, PN and 32 hexadecimal digits."""
    customerprofilesid: str | None = None
    """SID of the profile of the company that sends, BU and 32 hexadecimal digits."""
    regulateditemsid: str | None = None
    """SID of what is regulated: the number within the verification."""
    trustproductsid: str | None = None
    """SID of the bundle of evidence, BU and 32 hexadecimal digits."""
    processeddate: str | None = None
    """When it came to this, RFC 3339."""
    verificationstatus: str | None = None
    """How far it is, such as PENDING_REVIEW, IN_REVIEW, TWILIO_APPROVED or TWILIO_REJECTED."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "parentaccountsid": self.parentaccountsid,
            "tollfreeverificationsid": self.tollfreeverificationsid,
            "phonenumbersid": self.phonenumbersid,
            "customerprofilesid": self.customerprofilesid,
            "regulateditemsid": self.regulateditemsid,
            "trustproductsid": self.trustproductsid,
            "processeddate": self.processeddate,
            "verificationstatus": self.verificationstatus,
        }
        return self._event(
            data,
            version=1,
            source=f"/v1/Tollfree/Verifications/{self.tollfreeverificationsid}",
            key=self.tollfreeverificationsid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TollFreeVerificationPendingReview(ProductEvent):
    """The verification of a toll-free number waits for a reviewer (``TollFree.VerificationPendingReview``,
    version 1).
    """

    TYPE = "com.twilio.messaging.compliance.toll-free-verification.pending-review"

    parentaccountsid: str | None = None
    """SID of the account above it; absent where there is none."""
    tollfreeverificationsid: str
    """SID of the verification, HH and 32 hexadecimal digits."""
    phonenumbersid: str | None = None
    """SID of the number, PN and 32 hexadecimal digits."""
    customerprofilesid: str | None = None
    """SID of the profile of the company that sends, BU and 32 hexadecimal digits."""
    regulateditemsid: str | None = None
    """SID of what is regulated: the number within the verification."""
    trustproductsid: str | None = None
    """SID of the bundle of evidence, BU and 32 hexadecimal digits."""
    processeddate: str | None = None
    """When it came to this, RFC 3339."""
    verificationstatus: str | None = None
    """How far it is, such as PENDING_REVIEW, IN_REVIEW, TWILIO_APPROVED or TWILIO_REJECTED."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "parentaccountsid": self.parentaccountsid,
            "tollfreeverificationsid": self.tollfreeverificationsid,
            "phonenumbersid": self.phonenumbersid,
            "customerprofilesid": self.customerprofilesid,
            "regulateditemsid": self.regulateditemsid,
            "trustproductsid": self.trustproductsid,
            "processeddate": self.processeddate,
            "verificationstatus": self.verificationstatus,
        }
        return self._event(
            data,
            version=1,
            source=f"/v1/Tollfree/Verifications/{self.tollfreeverificationsid}",
            key=self.tollfreeverificationsid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TollFreeVerificationRequestApproved(ProductEvent):
    """A toll-free number is verified (``TollFree.VerificationRequestApproved``, version 1)."""

    TYPE = "com.twilio.messaging.compliance.toll-free-verification.request-approved"

    parentaccountsid: str | None = None
    """SID of the account above it; absent where there is none."""
    tollfreeverificationsid: str
    """SID of the verification, HH and 32 hexadecimal digits."""
    phonenumbersid: str | None = None
    """SID of the number, PN and 32 hexadecimal digits."""
    customerprofilesid: str | None = None
    """SID of the profile of the company that sends, BU and 32 hexadecimal digits."""
    regulateditemsid: str | None = None
    """SID of what is regulated: the number within the verification."""
    trustproductsid: str | None = None
    """SID of the bundle of evidence, BU and 32 hexadecimal digits."""
    processeddate: str | None = None
    """When it came to this, RFC 3339."""
    verificationstatus: str | None = None
    """How far it is, such as PENDING_REVIEW, IN_REVIEW, TWILIO_APPROVED or TWILIO_REJECTED."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "parentaccountsid": self.parentaccountsid,
            "tollfreeverificationsid": self.tollfreeverificationsid,
            "phonenumbersid": self.phonenumbersid,
            "customerprofilesid": self.customerprofilesid,
            "regulateditemsid": self.regulateditemsid,
            "trustproductsid": self.trustproductsid,
            "processeddate": self.processeddate,
            "verificationstatus": self.verificationstatus,
        }
        return self._event(
            data,
            version=1,
            source=f"/v1/Tollfree/Verifications/{self.tollfreeverificationsid}",
            key=self.tollfreeverificationsid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TollFreeVerificationRejected(ProductEvent):
    """The verification of a toll-free number was rejected.

    A reviewer has rejected the verification of a toll-free number (``TollFree.VerificationRejected``, version 1).
    """

    TYPE = "com.twilio.messaging.compliance.toll-free-verification.rejected"

    parentaccountsid: str | None = None
    """SID of the account above it; absent where there is none."""
    tollfreeverificationsid: str
    """SID of the verification, HH and 32 hexadecimal digits."""
    phonenumbersid: str | None = None
    """SID of the number, PN and 32 hexadecimal digits."""
    customerprofilesid: str | None = None
    """SID of the profile of the company that sends, BU and 32 hexadecimal digits."""
    regulateditemsid: str | None = None
    """SID of what is regulated: the number within the verification."""
    trustproductsid: str | None = None
    """SID of the bundle of evidence, BU and 32 hexadecimal digits."""
    processeddate: str | None = None
    """When it came to this, RFC 3339."""
    verificationstatus: str | None = None
    """How far it is, such as PENDING_REVIEW, IN_REVIEW, TWILIO_APPROVED or TWILIO_REJECTED."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "parentaccountsid": self.parentaccountsid,
            "tollfreeverificationsid": self.tollfreeverificationsid,
            "phonenumbersid": self.phonenumbersid,
            "customerprofilesid": self.customerprofilesid,
            "regulateditemsid": self.regulateditemsid,
            "trustproductsid": self.trustproductsid,
            "processeddate": self.processeddate,
            "verificationstatus": self.verificationstatus,
        }
        return self._event(
            data,
            version=1,
            source=f"/v1/Tollfree/Verifications/{self.tollfreeverificationsid}",
            key=self.tollfreeverificationsid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TollFreeVerificationFailure(ProductEvent):
    """The verification of a toll-free number could not be submitted (``TollFree.VerificationFailure``, version 1)."""

    TYPE = "com.twilio.messaging.compliance.toll-free-verification.failure"

    parentaccountsid: str | None = None
    """SID of the account above it; absent where there is none."""
    tollfreeverificationsid: str
    """SID of the verification, HH and 32 hexadecimal digits."""
    phonenumbersid: str | None = None
    """SID of the number, PN and 32 hexadecimal digits."""
    customerprofilesid: str | None = None
    """SID of the profile of the company that sends, BU and 32 hexadecimal digits."""
    regulateditemsid: str | None = None
    """SID of what is regulated: the number within the verification."""
    trustproductsid: str | None = None
    """SID of the bundle of evidence, BU and 32 hexadecimal digits."""
    processeddate: str | None = None
    """When it came to this, RFC 3339."""
    verificationstatus: str | None = None
    """How far it is, such as PENDING_REVIEW, IN_REVIEW, TWILIO_APPROVED or TWILIO_REJECTED."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "parentaccountsid": self.parentaccountsid,
            "tollfreeverificationsid": self.tollfreeverificationsid,
            "phonenumbersid": self.phonenumbersid,
            "customerprofilesid": self.customerprofilesid,
            "regulateditemsid": self.regulateditemsid,
            "trustproductsid": self.trustproductsid,
            "processeddate": self.processeddate,
            "verificationstatus": self.verificationstatus,
        }
        return self._event(
            data,
            version=1,
            source=f"/v1/Tollfree/Verifications/{self.tollfreeverificationsid}",
            key=self.tollfreeverificationsid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TollFreeVerificationExpired(ProductEvent):
    """The time to edit a rejected verification has passed.

    The time to edit a toll-free number's verification has passed (``TollFree.VerificationExpired``, version 1).
    """

    TYPE = "com.twilio.messaging.compliance.toll-free-verification.expired"

    parentaccountsid: str | None = None
    """SID of the account above it; absent where there is none."""
    tollfreeverificationsid: str
    """SID of the verification, HH and 32 hexadecimal digits."""
    phonenumbersid: str | None = None
    """SID of the number, PN and 32 hexadecimal digits."""
    customerprofilesid: str | None = None
    """SID of the profile of the company that sends, BU and 32 hexadecimal digits."""
    regulateditemsid: str | None = None
    """SID of what is regulated: the number within the verification."""
    trustproductsid: str | None = None
    """SID of the bundle of evidence, BU and 32 hexadecimal digits."""
    processeddate: str | None = None
    """When it came to this, RFC 3339."""
    verificationstatus: str | None = None
    """How far it is, such as PENDING_REVIEW, IN_REVIEW, TWILIO_APPROVED or TWILIO_REJECTED."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "parentaccountsid": self.parentaccountsid,
            "tollfreeverificationsid": self.tollfreeverificationsid,
            "phonenumbersid": self.phonenumbersid,
            "customerprofilesid": self.customerprofilesid,
            "regulateditemsid": self.regulateditemsid,
            "trustproductsid": self.trustproductsid,
            "processeddate": self.processeddate,
            "verificationstatus": self.verificationstatus,
        }
        return self._event(
            data,
            version=1,
            source=f"/v1/Tollfree/Verifications/{self.tollfreeverificationsid}",
            key=self.tollfreeverificationsid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TollFreeVerificationDeleted(ProductEvent):
    """The verification of a toll-free number was deleted (``TollFree.VerificationDeleted``, version 1)."""

    TYPE = "com.twilio.messaging.compliance.toll-free-verification.deleted"

    parentaccountsid: str | None = None
    """SID of the account above it; absent where there is none."""
    tollfreeverificationsid: str
    """SID of the verification, HH and 32 hexadecimal digits."""
    phonenumbersid: str | None = None
    """SID of the number, PN and 32 hexadecimal digits."""
    customerprofilesid: str | None = None
    """SID of the profile of the company that sends, BU and 32 hexadecimal digits."""
    regulateditemsid: str | None = None
    """SID of what is regulated: the number within the verification."""
    trustproductsid: str | None = None
    """SID of the bundle of evidence, BU and 32 hexadecimal digits."""
    processeddate: str | None = None
    """When it came to this, RFC 3339."""
    verificationstatus: str | None = None
    """How far it is, such as PENDING_REVIEW, IN_REVIEW, TWILIO_APPROVED or TWILIO_REJECTED."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "parentaccountsid": self.parentaccountsid,
            "tollfreeverificationsid": self.tollfreeverificationsid,
            "phonenumbersid": self.phonenumbersid,
            "customerprofilesid": self.customerprofilesid,
            "regulateditemsid": self.regulateditemsid,
            "trustproductsid": self.trustproductsid,
            "processeddate": self.processeddate,
            "verificationstatus": self.verificationstatus,
        }
        return self._event(
            data,
            version=1,
            source=f"/v1/Tollfree/Verifications/{self.tollfreeverificationsid}",
            key=self.tollfreeverificationsid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ResourceCleanup(ProductEvent):
    """Registrations that an account no longer needs are being removed, or were (``A2P.ResourceCleanup``, version 1)."""

    source: str
    """REST path of the resource it speaks of."""
    brandsid: str | None = None
    """SID of the brand that is removed, BN and 32 hexadecimal digits; absent where none is."""
    campaignsid: str | None = None
    """SID of the campaign that is removed, QE and 32 hexadecimal digits; absent where none is."""
    messagingservicesid: str | None = None
    """SID of the messaging service that it belonged to; absent where there is none."""
    cleanupstatus: str | None = None
    """started or finished."""
    timestamp_: int | None = None
    """When, in milliseconds since 1970."""

    @override
    def event(self) -> Event:
        data: Data = {
            "accountsid": self.account_sid,
            "brandsid": self.brandsid,
            "campaignsid": self.campaignsid,
            "messagingservicesid": self.messagingservicesid,
            "cleanupstatus": self.cleanupstatus,
            "timestamp": self.timestamp_,
        }
        return self._event(data, version=1, key=self.campaignsid or self.brandsid)


class A2pResourceCleanupFinished(_ResourceCleanup):
    """Registrations that were no longer needed are gone."""

    TYPE = "com.twilio.messaging.compliance.a2p-resource-cleanup-finished"


class A2pResourceCleanupStarted(_ResourceCleanup):
    """Registrations that are no longer needed are being removed."""

    TYPE = "com.twilio.messaging.compliance.a2p-resource-cleanup-started"
