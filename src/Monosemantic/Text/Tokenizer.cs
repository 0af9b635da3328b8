using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text;
using Monosemantic.Runtime;
using Monosemantic.Text.Tokenizers;

namespace Monosemantic.Text;

/// <summary>
/// Turns text into token ids and back, as the model's publisher does. Encoding adds no token that was not asked for (contexts
/// get theirs from <see cref="ContextPacker"/>). Text that is not valid Unicode counts as U+FFFD. Safe to use from several threads.
/// </summary>
public sealed class Tokenizer
{
    private readonly TokenizerParts parts;
    private readonly AddedTokenSplitter raw;
    private readonly AddedTokenSplitter normalized;
    private readonly Lazy<FrozenDictionary<string, int>> idOf;

    internal Tokenizer(TokenizerParts parts)
    {
        this.parts = parts;
        raw = new AddedTokenSplitter(parts.AddedTokens.Where(token => !token.Normalized).Select(token => (token.Content, token)));
        normalized = new AddedTokenSplitter(parts.AddedTokens.Where(token => token.Normalized)
            .Select(token => (parts.NormalizesAddedTokens && parts.Normalizer is not null ? parts.Normalizer.Apply(token.Content) : token.Content, token)));
        SpecialTokens = [.. parts.AddedTokens.Where(token => token.Special).Select(token => token.Id).Order()];
        EndOfText = parts.AddedTokens.FirstOrDefault(token => token.Content == TokenizerFile.EndOfText)?.Id;
        idOf = new(() => parts.Pieces.Index().Where(entry => entry.Item is not null).DistinctBy(entry => entry.Item).ToFrozenDictionary(entry => entry.Item!, entry => entry.Index));
    }

    /// <summary>Which kind of tokenizer it is, in words, such as <c>byte-level BPE (tokenizer.json)</c>.</summary>
    public string Kind => parts.Kind;

    /// <summary>Number of ids: 1 + the highest one.</summary>
    public int VocabularySize => parts.Decoder.Count;

    /// <summary>Id of <c>&lt;|endoftext|&gt;</c>, which GPT-2-like models also take as beginning of sequence; null where there is none.</summary>
    public int? EndOfText { get; }

    /// <summary>
    /// Id of the token that begins a sequence: what the files beside the tokenizer say, else what its own file does, else
    /// <see cref="EndOfText"/> where it is byte-level, as is GPT-2's custom; null where there is none.
    /// </summary>
    public int? Bos => parts.Marks.Bos;

    /// <summary>Id of the token that ends a sequence, found as <see cref="Bos"/> is; null where there is none.</summary>
    public int? Eos => parts.Marks.Eos;

    /// <summary>Id of the token that stands for what has none; null where there is none.</summary>
    public int? Unknown => parts.Marks.Unknown;

    /// <summary>Id of the token that fills batches, which nothing here does; null where there is none.</summary>
    public int? Padding => parts.Marks.Padding;

    /// <summary>Ids of the special tokens, ascending.</summary>
    public ImmutableArray<int> SpecialTokens { get; }

    /// <summary>SHA-256 of the tokenizer's file (of its files one after the other, where it has two), lower-case hexadecimal.</summary>
    public string Sha256 => parts.Sha256;

    /// <summary>Loads a tokenizer.</summary>
    /// <param name="path">
    /// A model folder, or a file: <c>tokenizer.json</c>, <c>vocab.json</c> beside <c>merges.txt</c> (also <c>encoder.json</c> beside
    /// <c>vocab.bpe</c>), a SentencePiece <c>.model</c>, llama2.c's <c>tokenizer.bin</c>, or a character vocabulary of this tool.
    /// </param>
    /// <exception cref="UserErrorException">It is missing, damaged, or says something this tool does not do; the message names what.</exception>
    public static Tokenizer Load(string path) => new(TokenizerFormats.Read(path));

    /// <summary>Loads a model's tokenizer.</summary>
    /// <param name="model">The model's folder, or a model file that the tokenizer lies beside.</param>
    /// <exception cref="UserErrorException">It is missing or damaged; the message names what.</exception>
    public static Tokenizer OfModel(string model) => Load(File.Exists(model) ? Path.GetDirectoryName(Path.GetFullPath(model))! : model);

    /// <summary>Makes a tokenizer from what would be its file.</summary>
    /// <param name="file">The vocabulary and merges.</param>
    /// <exception cref="UserErrorException">It contradicts itself.</exception>
    public static Tokenizer Create(TokenizerFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return new Tokenizer(HuggingFaceFormat.Read(Encoding.UTF8.GetBytes(file.ToJson()), TokenizerFile.FileName));
    }

    /// <summary>Makes a character-level tokenizer.</summary>
    /// <param name="characters">The vocabulary.</param>
    public static Tokenizer Create(CharacterVocabulary characters)
    {
        ArgumentNullException.ThrowIfNull(characters);
        return new Tokenizer(characters.ToParts(CharacterVocabulary.FileName));
    }

    /// <summary>The token ids of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="parseSpecialTokens">
    /// Whether the text of a special token becomes that token. Off by default: a corpus is data, and a document that mentions
    /// <c>&lt;|endoftext|&gt;</c> must not end there.
    /// </param>
    /// <exception cref="UserErrorException">A character has no token, and the tokenizer has none for unknown ones.</exception>
    public int[] Encode(string text, bool parseSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        var sink = new TokenSink(text.Length / 3 + 1, measured: false);
        Run(text, parseSpecialTokens, sink, null);
        return sink.Tokens.ToArray();
    }

    /// <summary>The token ids of a text, with what a policy adds.</summary>
    /// <param name="text">The text.</param>
    /// <param name="policy">What to add, and what special tokens are.</param>
    /// <exception cref="UserErrorException">The policy asks for a token that there is not, or a character has no token.</exception>
    public int[] Encode(string text, EncodingPolicy policy)
    {
        EncodingRecord record = Describe(policy);
        return [.. record.Before, .. Encode(text, policy.Special == SpecialText.Token), .. record.After];
    }

    /// <summary>The tokens of a text with the range of the text that each came from; the same ids as <see cref="Encode(string, bool)"/>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="parseSpecialTokens">Whether the text of a special token becomes that token.</param>
    /// <exception cref="UserErrorException">A character has no token, and the tokenizer has none for unknown ones.</exception>
    public ImmutableArray<TokenSpan> EncodeWithOffsets(string text, bool parseSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        var spans = ImmutableArray.CreateBuilder<TokenSpan>();
        Run(text, parseSpecialTokens, new TokenSink(text.Length / 3 + 1, measured: true), spans);
        return spans.ToImmutable();
    }

    /// <summary>The tokens of a text with their ranges, and with what a policy adds, whose ranges are empty ones at the text's ends.</summary>
    /// <param name="text">The text.</param>
    /// <param name="policy">What to add, and what special tokens are.</param>
    /// <exception cref="UserErrorException">The policy asks for a token that there is not, or a character has no token.</exception>
    public ImmutableArray<TokenSpan> EncodeWithOffsets(string text, EncodingPolicy policy)
    {
        EncodingRecord record = Describe(policy);
        ImmutableArray<TokenSpan> spans = EncodeWithOffsets(text, policy.Special == SpecialText.Token);
        return [.. record.Before.Select(id => new TokenSpan(id, 0, 0)), .. spans, .. record.After.Select(id => new TokenSpan(id, text.Length, text.Length))];
    }

    /// <summary>What a policy means for this tokenizer, to be recorded with the ids.</summary>
    /// <param name="policy">The policy.</param>
    /// <exception cref="UserErrorException">It asks for a token that there is not.</exception>
    public EncodingRecord Describe(EncodingPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        (ImmutableArray<int> before, ImmutableArray<int> after) = policy.Add switch
        {
            AddedMarks.Bos => ([Bos ?? throw new UserErrorException("the tokenizer names no beginning-of-sequence token", "name it in a tokenizer_config.json beside the tokenizer (bos_token), or add none")], []),
            AddedMarks.Template when parts.Template is { } template => (template.Before, template.After),
            AddedMarks.Template => throw new UserErrorException("the tokenizer's file has no template of tokens to add", "add the beginning-of-sequence token, or none"),
            _ => (ImmutableArray<int>.Empty, ImmutableArray<int>.Empty),
        };
        return new EncodingRecord(Sha256, policy.Add, policy.Special, before, after);
    }

    /// <summary>
    /// The text of a sequence: its bytes read as UTF-8 (bytes that are not become U+FFFD; <see cref="DecodeBytes"/> keeps them).
    /// The text of an encoding is the encoded text, wherever the tokenizer itself keeps it.
    /// </summary>
    /// <param name="tokens">Token ids [t].</param>
    /// <exception cref="UserErrorException">An id has no token.</exception>
    public string Decode(ReadOnlySpan<int> tokens) => Encoding.UTF8.GetString(CollectionsMarshal.AsSpan(Join(tokens)));

    /// <summary>
    /// The bytes of a sequence: those of its tokens joined, but for the space that encoding puts in front where the tokenizer does.
    /// </summary>
    /// <param name="tokens">Token ids [t].</param>
    /// <exception cref="UserErrorException">An id has no token.</exception>
    public byte[] DecodeBytes(ReadOnlySpan<int> tokens) => [.. Join(tokens)];

    /// <summary>Whether an id has a token: there may be gaps below <see cref="VocabularySize"/>.</summary>
    /// <param name="token">The id.</param>
    public bool Contains(int token) => parts.Decoder.Find(token) is not null;

    /// <summary>The bytes that a token stands for.</summary>
    /// <param name="token">The token's id.</param>
    /// <exception cref="UserErrorException">The id has no token.</exception>
    public ReadOnlySpan<byte> Bytes(int token) => parts.Decoder.Find(token) ?? throw Missing(token);

    /// <summary>A token as the tokenizer's file writes it, such as <c>Ġthe</c> or <c>▁the</c>.</summary>
    /// <param name="token">The token's id.</param>
    /// <exception cref="UserErrorException">The id has no token.</exception>
    public string Piece(int token) => (uint)token < (uint)VocabularySize && parts.Pieces[token] is { } piece ? piece : throw Missing(token);

    /// <summary>The id of a token by how the tokenizer's file writes it; null where there is none.</summary>
    /// <param name="piece">The token as the file writes it.</param>
    public int? IdOf(string piece) => idOf.Value.TryGetValue(piece, out int id) ? id : null;

    /// <summary>
    /// The text of one token, to be shown: its characters as they are (line breaks and spaces too), and a byte that is not part
    /// of a whole character as <c>&lt;0xE2&gt;</c>. Nothing is dropped.
    /// </summary>
    /// <param name="token">The token's id.</param>
    /// <exception cref="UserErrorException">The id has no token.</exception>
    public string Display(int token) => Show(Bytes(token));

    /// <summary>The text of a sequence, to be shown: characters as they are, bytes that are not part of a whole one as <c>&lt;0xE2&gt;</c>.</summary>
    /// <param name="tokens">Token ids [t].</param>
    /// <exception cref="UserErrorException">An id has no token.</exception>
    public string Display(ReadOnlySpan<int> tokens) => Show(CollectionsMarshal.AsSpan(Join(tokens)));

    private static string Show(ReadOnlySpan<byte> rest)
    {
        var text = new StringBuilder(rest.Length);
        while (!rest.IsEmpty)
        {
            bool whole = Rune.DecodeFromUtf8(rest, out Rune rune, out int used) == System.Buffers.OperationStatus.Done;
            if (whole) text.Append(rune.ToString());
            else foreach (byte value in rest[..used]) text.Append($"<0x{value:X2}>");
            rest = rest[used..];
        }
        return text.ToString();
    }

    private List<byte> Join(ReadOnlySpan<int> tokens)
    {
        foreach (int token in tokens) Bytes(token);
        return parts.Decoder.Join(tokens);
    }

    private UserErrorException Missing(int token) => new(
        $"token id {token} has no token; this tokenizer's ids are 0..{VocabularySize - 1}",
        "use the tokenizer that the ids were made with");

    private void Run(string text, bool special, TokenSink sink, ImmutableArray<TokenSpan>.Builder? spans)
    {
        if (raw.Idle(special))
        {
            EncodePlain(AlignedText.Of(text, 0, text.Length), special, sink, spans);
            return;
        }
        foreach (TextPiece piece in raw.Split(text, special))
        {
            AlignedText part = AlignedText.Of(text, piece.Start, piece.Length);
            if (piece.Token >= 0) Add(piece.Token, part, 0, piece.Length, sink, spans);
            else EncodePlain(part, special, sink, spans);
        }
    }

    private void EncodePlain(AlignedText text, bool special, TokenSink sink, ImmutableArray<TokenSpan>.Builder? spans)
    {
        bool atStart = text.Origin == 0;
        if (parts.Normalizer is not null) text = parts.Normalizer.Apply(text, spans is not null);
        if (normalized.Idle(special))
        {
            EncodeRange(text, 0, text.Chars.Length, atStart, sink, spans);
            return;
        }
        foreach (TextPiece piece in normalized.Split(text.Span, special))
        {
            if (piece.Token >= 0) Add(piece.Token, text, piece.Start, piece.Length, sink, spans);
            else EncodeRange(text, piece.Start, piece.Length, atStart && piece.Start == 0, sink, spans);
        }
    }

    private void EncodeRange(AlignedText text, int start, int length, bool atStart, TokenSink sink, ImmutableArray<TokenSpan>.Builder? spans)
    {
        if (parts.PreTokenizer.Scanner is { } scan)
        {
            ReadOnlySpan<char> whole = text.Span[..(start + length)];
            while (start < whole.Length)
            {
                int next = scan(whole[start..]);
                EncodeWord(whole.Slice(start, next), text, start, sink, spans);
                start += next;
            }
            return;
        }
        PreTokens tokens = parts.PreTokenizer.Split(text.Slice(start, length), atStart, spans is not null);
        foreach ((int from, int count) in tokens.Words) EncodeWord(tokens.Text.Span.Slice(from, count), tokens.Text, from, sink, spans);
    }

    private void EncodeWord(ReadOnlySpan<char> word, AlignedText text, int start, TokenSink sink, ImmutableArray<TokenSpan>.Builder? spans)
    {
        int before = sink.Count;
        parts.Model.Encode(word, sink);
        if (spans is not null) TokenSpans.Locate(text, start, word.Length, sink.Tokens[before..], sink.Lengths[before..], spans);
    }

    private static void Add(int token, AlignedText text, int start, int length, TokenSink sink, ImmutableArray<TokenSpan>.Builder? spans)
    {
        sink.Add(token, 0);
        spans?.Add(new TokenSpan(token, text.StartOf(start), text.EndOf(start + length - 1)));
    }
}
