"""Why a task or a job did not deliver, in words for its owner: by code, in English and Korean.

What is stored is the code. The provider's own words are for operators: they are in the log and in
the cost record, and never here. Codes never change; sentences may.
"""

from __future__ import annotations

_GENERIC = ("This could not be made.", "만들지 못했습니다.")
_NOT_NOW = (
    "The generation service did not return a result. Please try again later.",
    "제작 서비스가 결과를 보내지 못했습니다. 잠시 후 다시 시도해 주세요.",
)
_NOT_HERE = (
    "This cannot be made at the moment. Our team has been notified.",
    "지금은 만들 수 없습니다. 운영팀에 전달되었습니다.",
)
_UNUSABLE = (
    "The source file cannot be used. Please choose another one.",
    "원본 파일을 사용할 수 없습니다. 다른 파일을 선택해 주세요.",
)
_TOO_LATE = (
    "This took too long and was stopped. Please try again.",
    "시간이 너무 오래 걸려 중단되었습니다. 다시 시도해 주세요.",
)

SENTENCES: dict[str, tuple[str, str]] = {
    "BAD_RESULT": _NOT_NOW,
    "BAD_SOURCE": _UNUSABLE,
    "CANCELED": ("You canceled this job.", "작업을 취소했습니다."),
    "CONTENT_REJECTED": (
        "This content is not allowed. Please change it.",
        "허용되지 않는 내용입니다. 내용을 바꿔 주세요.",
    ),
    "DEPENDENCY_FAILED": (
        "The result of an earlier step that this needs could not be made.",
        "필요한 앞 단계의 결과를 만들지 못했습니다.",
    ),
    "INTERNAL": (
        "Something went wrong on our side. Please try again.",
        "문제가 발생했습니다. 다시 시도해 주세요.",
    ),
    "ITEM_UNREADABLE": (
        "A record of this job was damaged, so the job was ended. All of its credits were returned.",
        "작업 기록이 손상되어 작업을 종료했습니다. 크레딧은 모두 돌려 드렸습니다.",
    ),
    "JOB_TIMEOUT": _TOO_LATE,
    "LEASE_EXPIRED": _TOO_LATE,
    "NO_AUDIO": ("This file has no sound.", "소리가 없는 파일입니다."),
    "NO_TEMPLATES": (
        "The template of this job is no longer available. Please start a new job.",
        "이 작업의 템플릿을 더 이상 사용할 수 없습니다. 새 작업을 시작해 주세요.",
    ),
    "PROVIDER_CANCELED": _NOT_NOW,
    "PROVIDER_FAILED": _NOT_NOW,
    "PROVIDER_NOT_CONFIGURED": _NOT_HERE,
    "PROVIDER_QUOTA": _NOT_HERE,
    "PROVIDER_REFUSED": (
        "This cannot be made as requested. Please change it and try again.",
        "요청한 대로 만들 수 없습니다. 내용을 바꿔 다시 시도해 주세요.",
    ),
    "PROVIDER_TIMEOUT": _TOO_LATE,
    "PROVIDER_UNAVAILABLE": _NOT_NOW,
    "QUEUE_TIMEOUT": (
        "This waited too long to start and was stopped. Please try again.",
        "시작을 너무 오래 기다려 중단되었습니다. 다시 시도해 주세요.",
    ),
    "RESULT_EXPIRED": _NOT_NOW,
    "SOURCE_MISSING": (
        "A source file no longer exists.",
        "원본 파일이 더 이상 없습니다.",
    ),
    "UNDELIVERABLE": _GENERIC,
    "UNSUPPORTED_KIND": (
        "This combination of options is not supported.",
        "지원하지 않는 옵션 조합입니다.",
    ),
    "VALIDATION_FAILED": (
        "The inputs of this job can no longer be used. Please start a new job.",
        "이 작업의 입력값을 더 이상 사용할 수 없습니다. 새 작업을 시작해 주세요.",
    ),
}


def failure_sentence(code: str, language: str) -> str:
    """What the job's owner reads; a code without a sentence says that it could not be made."""
    english, korean = SENTENCES.get(code, _GENERIC)
    return korean if language == "ko" else english
