using System.CommandLine;
using Monosemantic.Activations;

namespace Monosemantic.Cli;

/// <summary>The options that say which foreign activations are imported, and what is known of them.</summary>
internal sealed class ImportOptions
{
    private readonly Option<string?> tensor = new("--tensor") { Description = "the tensor or column that holds the activations, where there are several", HelpName = "NAME" };
    private readonly Option<bool> heads = new("--heads") { Description = "the last two dimensions are heads and the numbers of one head (of four they always are)" };
    private readonly Option<string[]> tokens = Ids("--token-ids", "each row's token id");
    private readonly Option<string[]> documents = Ids("--documents", "each row's document, from 0");
    private readonly Option<string[]> positions = Ids("--positions", "each row's position in its document");
    private readonly Option<string[]> mask = Ids("--mask", "0 where a row is padding, which is left out");
    private readonly Option<int> documentRows = new("--document-rows") { Description = "rows that count as one document where nothing says otherwise", DefaultValueFactory = _ => 128, HelpName = "N" };
    private readonly Option<string> model = CommonOptions.NotEmpty(new Option<string>("--model") { Description = "the model the activations are of: its folder, or just its name", DefaultValueFactory = _ => "unknown", HelpName = "DIR|NAME" });
    private readonly Option<string?> tokenizer = new("--tokenizer") { Description = "the tokenizer of the token ids; by default that of the model's folder", HelpName = "DIR" };
    private readonly Option<string?> hook = new("--hook", "--hooks") { Description = "the hook point they are of; by default the tensor's name, if it is one", HelpName = "A" };
    private readonly Option<StoreDtype?> dtype = new("--dtype") { Description = "how numbers are stored; by default as they are in the files" };
    private readonly Option<string[]> set = CommonOptions.Set();

    internal ImportOptions() => dtype.AcceptOnlyFromAmong("f32", "f16", "bf16", "int8");

    internal Argument<string[]> Files { get; } = new("FILE...") { Description = "the files, or folders of them, in the order of their rows", Arity = ArgumentArity.OneOrMore };

    internal IEnumerable<Option> All => [tensor, heads, tokens, documents, positions, mask, documentRows, model, tokenizer, hook, dtype, set];

    internal ImportConfig Read(ParseResult parsed)
    {
        var config = new ImportConfig
        {
            Files = [.. parsed.GetRequiredValue(Files)],
            Tensor = parsed.GetValue(tensor),
            Heads = parsed.GetValue(heads),
            TokenIds = [.. parsed.GetValue(tokens) ?? []],
            Documents = [.. parsed.GetValue(documents) ?? []],
            Positions = [.. parsed.GetValue(positions) ?? []],
            Mask = [.. parsed.GetValue(mask) ?? []],
            DocumentRows = parsed.GetValue(documentRows),
            Model = parsed.GetRequiredValue(model),
            Tokenizer = parsed.GetValue(tokenizer),
            Hook = parsed.GetValue(hook),
            Dtype = parsed.GetValue(dtype),
        };
        return RunFile.Override(config, parsed.GetValue(set) ?? []);
    }

    private static Option<string[]> Ids(string name, string what) => new(name)
    {
        Description = $"{what}: the name of a tensor or column, or files with one each; none for none",
        HelpName = "NAME|FILE",
        AllowMultipleArgumentsPerToken = true,
    };
}
