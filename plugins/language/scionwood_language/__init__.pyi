from scionwood import Plugin
from scionwood_language.chat.templates import IGNORED as IGNORED
from scionwood_language.chat.templates import Encoded as Encoded
from scionwood_language.chat.templates import Turns as Turns
from scionwood_language.chat.templates import encode as encode
from scionwood_language.data.conversation_data import ConversationData as ConversationData
from scionwood_language.data.conversations import Conversations as Conversations
from scionwood_language.data.preferences import PreferenceData as PreferenceData
from scionwood_language.inference.decoding import Decoding as Decoding
from scionwood_language.inference.decoding import Sampling as Sampling
from scionwood_language.inference.writer import Answer as Answer
from scionwood_language.inference.writer import Writer as Writer
from scionwood_language.inference.writer import load_model as load_model
from scionwood_language.inference.writer import save_merged as save_merged
from scionwood_language.inference.writer import write as write
from scionwood_language.model.weights import load_tokenizer as load_tokenizer
from scionwood_language.query.options import TuneOptions as TuneOptions
from scionwood_language.readers.layouts import Layout as Layout
from scionwood_language.readers.load import BadRows as BadRows
from scionwood_language.readers.load import Conversation as Conversation
from scionwood_language.readers.load import read_conversations as read_conversations
from scionwood_language.readers.pairs import read_pairs as read_pairs
from scionwood_language.tasks.rewards import text_of as text_of
from scionwood_language.verbs.generate import GenerateOptions as GenerateOptions
from scionwood_language.verbs.generate import ModelOptions as ModelOptions
from scionwood_language.verbs.generate import generate as generate
from scionwood_language.verbs.merge import merge as merge
from scionwood_language.verbs.query_tune import query_tune as query_tune

plugin: Plugin
__all__: list[str]
