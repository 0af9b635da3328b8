using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Monosemantic.Text.Tokenizers;

/// <summary>The steps around the model of a <c>tokenizer.json</c>, and whether they fit together.</summary>
internal sealed class TokenizerSteps
{
    private readonly StepReader reader;
    private readonly bool prepends;
    private readonly bool marksEveryPiece;

    /// <summary>Reads the steps; what is not done here is told by <see cref="Refuse"/>.</summary>
    public TokenizerSteps(TokenizerJson json, string source)
    {
        reader = new StepReader(source);
        if (json.Version != "1.0") reader.Add($"version is \"{json.Version}\"; it must be \"1.0\"");
        var changing = new NormalizerJson(reader);
        Normalizer = changing.Read(json.Normalizer, "normalizer");
        var cutting = new PreTokenizerJson(reader);
        PreTokenizer = cutting.Read(json.PreTokenizer);
        ByteLevel = cutting.ByteLevel;
        Template = new PostProcessorJson(reader).Read(json.PostProcessor);
        Decoding = new DecoderJson(reader).Read(json.Decoder, ByteLevel);
        if (ByteLevel && !Decoding.ByteAlphabet) reader.Add($"decoder is {StepReader.TypeOf(json.Decoder)}; with a ByteLevel pre_tokenizer it must be ByteLevel");
        if (!ByteLevel && Decoding.ByteAlphabet) reader.Add($"pre_tokenizer is {StepReader.TypeOf(json.PreTokenizer)}; with a ByteLevel decoder it must be or end in ByteLevel");
        prepends = changing.Prepends;
        marksEveryPiece = cutting.MarksEveryPiece;
    }

    /// <summary>Changes text; null for nothing.</summary>
    public TextNormalizer? Normalizer { get; }

    /// <summary>Cuts text.</summary>
    public PreTokenizer PreTokenizer { get; }

    /// <summary>Whether the model works on bytes.</summary>
    public bool ByteLevel { get; }

    /// <summary>What is put around a text; null for nothing.</summary>
    public TokenTemplate? Template { get; }

    /// <summary>How pieces become bytes.</summary>
    public PieceDecoding Decoding { get; }

    /// <summary>The tokens after which encoding puts a space again, so that decoding takes it away.</summary>
    public FrozenSet<int> Restarts(ImmutableArray<AddedToken> added) =>
        added.Where(token => marksEveryPiece || (prepends && !token.Normalized)).Select(token => token.Id).ToFrozenSet();

    /// <summary>Throws where something is not done here.</summary>
    /// <param name="further">Problems found elsewhere.</param>
    public void Refuse(IEnumerable<string> further) => reader.Refuse(further);
}
