"""The messages of error responses, by code, in English and Korean. Codes never change."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    "BAD_SIGNATURE": ("The signature is not valid.", "서명이 올바르지 않습니다."),
    "CREDITS_DEBT": (
        "A payment was reversed, so your account owes credits. Please top up your credits first.",
        "취소된 결제로 부족해진 크레딧을 먼저 채워 주세요.",
    ),
    "TOO_MANY": (
        "You cannot create more of these. Please delete one first.",
        "더 만들 수 없습니다. 먼저 하나를 삭제해 주세요.",
    ),
    "ENDPOINT_DISABLED": (
        "This webhook endpoint is disabled. Please activate it first.",
        "비활성화된 웹훅 주소입니다. 먼저 활성화해 주세요.",
    ),
    "TOO_MANY_CHILDREN": (
        "This job has too many versions. Please delete some of them, or run the job again.",
        "이 작업에서 만든 버전이 너무 많습니다. 일부를 삭제하거나 새로 실행해 주세요.",
    ),
    "ACCOUNT_FROZEN": (
        "We are reviewing the credits of this account. Please try again later.",
        "이 계정의 크레딧을 확인하고 있습니다. 나중에 다시 시도해 주세요.",
    ),
    "ACCOUNT_ERASED": (
        "This account has been deleted.",
        "삭제된 계정입니다.",
    ),
    "LEDGER_UNSOUND": (
        "The wallet cannot be rebuilt from this ledger. Please check the audit report.",
        "원장 기록으로 지갑을 만들 수 없습니다. 감사 결과를 확인해 주세요.",
    ),
    "NO_DEBT": (
        "This account has no debt.",
        "이 계정에는 갚을 크레딧이 없습니다.",
    ),
    "PLAN_LIMIT": (
        "You have reached a limit of your plan. Please upgrade, or free up some space.",
        "현재 요금제의 한도에 도달했습니다. 상위 요금제로 바꾸거나 공간을 비워 주세요.",
    ),
    "NOT_SUBSCRIBED": (
        "You have no subscription that could be canceled.",
        "취소할 구독이 없습니다.",
    ),
    "PAYMENT_UNAVAILABLE": (
        "The payment service is not responding. Please try again in a moment.",
        "결제 서비스가 응답하지 않습니다. 잠시 후 다시 시도해 주세요.",
    ),
    "ALBUM_FULL": (
        "This album is full. Please create a new one.",
        "앨범이 가득 찼습니다. 새 앨범을 만들어 주세요.",
    ),
    "ALREADY_HAPPENED": ("This has already been done.", "이미 처리되었습니다."),
    "ARCHIVE_FAILED": (
        "The archive could not be created. Please try again, or download the files one by one.",
        "압축 파일을 만들지 못했습니다. 다시 시도하거나 파일을 하나씩 내려받아 주세요.",
    ),
    "ARCHIVE_TOO_LARGE": (
        "These files are too large for one archive. Please download them one by one.",
        "한 번에 압축하기에는 파일이 너무 큽니다. 파일을 하나씩 내려받아 주세요.",
    ),
    "ASSET_FAILED": (
        "This file cannot be used. Please choose another one.",
        "사용할 수 없는 파일입니다. 다른 파일을 선택해 주세요.",
    ),
    "ASSET_IN_USE": (
        "This file is used for a reference photo. Please deactivate the reference photo first.",
        "이 파일로 만든 참고 사진이 있습니다. 먼저 참고 사진을 해제해 주세요.",
    ),
    "ASSET_NOT_READY": (
        "This file is still being checked. Please try again in a moment.",
        "파일을 확인하고 있습니다. 잠시 후 다시 시도해 주세요.",
    ),
    "BAD_CURSOR": (
        "This page link is not valid. Please start from the first page.",
        "페이지 링크가 올바르지 않습니다. 첫 페이지부터 다시 시작해 주세요.",
    ),
    "BODY_TOO_LARGE": ("The request is too large.", "요청이 너무 큽니다."),
    "CONCURRENT_UPDATE": (
        "This was changed by another request at the same time. Please try again.",
        "동시에 변경되었습니다. 다시 시도해 주세요.",
    ),
    "CONFLICT": ("This is not possible right now.", "지금은 처리할 수 없습니다."),
    "CONTENT_REJECTED": (
        "Some of this text is not allowed. Please rephrase it.",
        "사용할 수 없는 내용이 있습니다. 다르게 써 주세요.",
    ),
    "CREDITS_INSUFFICIENT": ("Not enough credits", "크레딧이 부족합니다"),
    "FACE_CHECK_UNAVAILABLE": (
        "We are still checking this picture for faces. Please try again in a moment.",
        "사진에서 얼굴을 확인하고 있습니다. 잠시 후 다시 시도해 주세요.",
    ),
    "FILE_TOO_LARGE": ("This file is too large.", "파일이 너무 큽니다."),
    "FORBIDDEN": ("You are not allowed to do this.", "권한이 없습니다."),
    "IDEMPOTENCY_KEY_REQUIRED": (
        "This request needs an Idempotency-Key header.",
        "Idempotency-Key 헤더가 필요한 요청입니다.",
    ),
    "IDEMPOTENCY_MISMATCH": (
        "This Idempotency-Key was already used for a different request.",
        "다른 요청에 이미 사용된 Idempotency-Key입니다.",
    ),
    "ITEM_UNREADABLE": (
        "The record of this is damaged, so it cannot be shown. We have been informed.",
        "데이터가 손상되어 표시할 수 없습니다. 운영팀에 전달되었습니다.",
    ),
    "IN_PROGRESS": (
        "The same request is still being processed.",
        "같은 요청을 처리하고 있습니다.",
    ),
    "JOB_UNREADABLE": (
        (
            "The data of this job is damaged, so nothing more can be made from it. Please start a "
            "new job."
        ),
        "이 작업의 데이터가 손상되어 이어서 만들 수 없어요. 새 작업을 시작해 주세요.",
    ),
    "INTERNAL": (
        "Something went wrong on our side. Please try again.",
        "문제가 발생했습니다. 다시 시도해 주세요.",
    ),
    "INVALID_TARGET": (
        "This target cannot be made again.",
        "다시 만들 수 없는 대상입니다.",
    ),
    "JOB_NOT_DRAFT": ("This job has already been started.", "이미 시작된 작업입니다."),
    "METHOD_NOT_ALLOWED": ("This method is not allowed here.", "허용되지 않는 방법입니다."),
    "MULTIPLE_FACES": (
        "This picture shows more than one face. Please choose a picture of a single person.",
        "사진에 얼굴이 여러 개 있습니다. 한 사람만 나온 사진을 선택해 주세요.",
    ),
    "NO_FACE": (
        "We could not find a face in this picture. Please choose another one.",
        "사진에서 얼굴을 찾지 못했습니다. 다른 사진을 선택해 주세요.",
    ),
    "NO_OUTPUTS": ("This job has not produced any files.", "이 작업에서 만들어진 파일이 없습니다."),
    "NO_TEMPLATES": (
        "There is no template for this combination.",
        "이 조합에 맞는 템플릿이 없습니다.",
    ),
    "NOT_FOUND": ("We could not find this.", "찾을 수 없습니다."),
    "NOT_REGENERABLE": ("This job cannot be regenerated.", "다시 만들 수 없는 작업입니다."),
    "HAS_CHILDREN": (
        "Other jobs were made from this one. Delete them as well, or keep this job.",
        "이 작업으로 만든 다른 작업이 있습니다. 함께 삭제하거나 그대로 두세요.",
    ),
    "JOB_NOT_FINAL": (
        "This job has not finished yet. Please wait for it to finish, or cancel it first.",
        "아직 끝나지 않은 작업입니다. 완료를 기다리거나 먼저 취소해 주세요.",
    ),
    "NOT_REDRIVABLE": (
        "The queue of this message no longer exists.",
        "이 메시지의 대기열이 더 이상 없습니다.",
    ),
    "NOT_RESOLVABLE": (
        "This purchase does not need a decision.",
        "결정이 필요한 결제가 아닙니다.",
    ),
    "NOT_RETRYABLE": (
        "There are no missing results that can be made again.",
        "다시 만들 수 있는 결과가 없습니다.",
    ),
    "QUOTE_EXPIRED": (
        "This price has expired. Please request a new one.",
        "가격 유효 시간이 지났습니다. 가격을 다시 확인해 주세요.",
    ),
    "QUOTE_MISMATCH": (
        "This price is for a different request. Please request a new one.",
        "다른 내용에 대한 가격입니다. 가격을 다시 확인해 주세요.",
    ),
    "PRECONDITION_FAILED": (
        "This has changed since you loaded it.",
        "불러온 뒤에 내용이 바뀌었습니다.",
    ),
    "RATE_LIMITED": (
        "Too many requests. Please wait a moment.",
        "요청이 너무 많습니다. 잠시 기다려 주세요.",
    ),
    "REFERENCE_PHOTO_MISSING": (
        "A reference photo is missing. Please choose one for each role.",
        "참조 사진이 없습니다. 역할마다 사진을 선택해 주세요.",
    ),
    "UNAUTHORIZED": ("Please sign in.", "로그인해 주세요."),
    "UNAVAILABLE": (
        "The service is busy. Please try again in a moment.",
        "서비스가 혼잡합니다. 잠시 후 다시 시도해 주세요.",
    ),
    "UNPROCESSABLE": ("This request cannot be processed.", "처리할 수 없는 요청입니다."),
    "UNSUPPORTED_TYPE": (
        "This file type is not supported.",
        "지원하지 않는 파일 형식입니다.",
    ),
    "UPLOAD_INCOMPLETE": (
        "The upload is not complete yet.",
        "파일 업로드가 아직 끝나지 않았습니다.",
    ),
    "UPLOAD_CLOSED": (
        "This upload is already complete.",
        "이미 완료된 업로드입니다.",
    ),
    "VALIDATION_FAILED": (
        "Please check the information you entered.",
        "입력한 내용을 확인해 주세요.",
    ),
}


def message_for(code: str, language: str) -> str:
    english, korean = MESSAGES.get(code, MESSAGES["INTERNAL"])
    return korean if language == "ko" else english


def preferred_language(accept_language: str | None) -> str:
    """``ko`` if the header (RFC 9110, section 12.5.4) prefers Korean to English, else ``en``."""
    best, best_weight = "en", 0.0
    for part in (accept_language or "").split(","):
        tag, _, options = part.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        try:
            weight = float(options.partition("q=")[2] or 1)
        except ValueError:
            continue
        if language in ("en", "ko") and weight > best_weight:
            best, best_weight = language, weight
    return best
