"""The article in a document from the web: HTML, PDF or plain text in, the text of the article out.

Documents are hostile, and some take minutes to read: `Extractor` reads them in processes of its own.
"""

from service.extraction.charsets import codec_of, decode_page
from service.extraction.extractor import Extractor
from service.extraction.worker import EXTRACTION_VERSION

__all__ = ["EXTRACTION_VERSION", "Extractor", "codec_of", "decode_page"]
