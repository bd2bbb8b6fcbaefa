"""The JSON that leaves the project: one shape for hits and answers in CLI, app and other programs."""

from __future__ import annotations

from typing import Any

from retrieval.types import Answer, Hit, Locator, Related, Topic

Json = dict[str, Any]


def source_json(locator: Locator) -> Json:
    return {
        "path": locator.path,
        "title": locator.title,
        "page": locator.page,
        "lines": list(locator.lines) if locator.lines else None,
        "heading": list(locator.heading),
        "span": list(locator.span),
    }


def hit_json(hit: Hit) -> Json:
    passage = hit.passage
    out: Json = {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "scores": {"dense": round(hit.scores.dense, 6), "lexical": round(hit.scores.lexical, 6)},
        "passage_id": passage.id,
        "kind": passage.kind,
        "text": passage.text,
        "source": source_json(passage.locator),
        "topics": list(passage.topics),
    }
    if hit.also:
        out["also"] = [source_json(locator) for locator in hit.also]
    if hit.before is not None:
        out["before_reranking"] = hit.before
    return out


def search_json(query: str, hits: list[Hit]) -> Json:
    return {"query": query, "hits": [hit_json(hit) for hit in hits]}


def answer_json(answer: Answer) -> Json:
    out: Json = {
        "question": answer.question,
        "answered": answer.answered,
        "confidence": round(answer.confidence, 4),
        "answer": [{"text": s.text, "citations": list(s.citations)} for s in answer.sentences],
        "citations": [{"n": c.n, "quote": c.quote, "source": source_json(c.locator)} for c in answer.citations],
        "hits": [hit_json(hit) for hit in answer.hits],
    }
    if not answer.answered:
        out["nearest_topics"] = list(answer.nearest_topics)
    return out


def topic_json(topic: Topic) -> Json:
    return {
        "id": topic.id,
        "name": topic.name,
        "kind": topic.kind,
        "parent": topic.parent,
        "passages": len(topic.passages),
    }


def related_json(topic: Topic, questions: list[str], related: list[Related]) -> Json:
    return {
        "topic": topic_json(topic),
        "questions": questions,
        "related": [
            {
                "topic": topic_json(r.topic),
                "score": round(r.score, 4),
                "reasons": list(r.reasons),
                "questions": list(r.questions),
            }
            for r in related
        ],
    }
