using System.CommandLine;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Cli.Commands;

/// <summary><c>tokenize</c>: text to token ids, and back.</summary>
internal static class TokenizeCommand
{
    internal static Command Create()
    {
        var tokenizer = CommonOptions.NotEmpty(new Option<string>("--tokenizer") { Description = "model folder or tokenizer file: tokenizer.json, vocab.json with merges.txt, .model, tokenizer.bin, characters.json", Required = true, HelpName = "PATH" });
        Option<string> text = CommonOptions.NotEmpty(new("--text") { Description = "text file to encode as one document, - for standard input", HelpName = "FILE" });
        Option<string> ids = CommonOptions.NotEmpty(new("--ids") { Description = "ids to decode: numbers, a JSON array or safetensors with input_ids, - for standard input", HelpName = "FILE" });
        var bos = new Option<bool>("--bos") { Description = "put the beginning-of-sequence token in front" };
        var template = new Option<bool>("--template") { Description = "put in what the tokenizer's file says (its post-processor)" };
        var special = new Option<SpecialText>("--special") { Description = "what text that looks like a special token is", DefaultValueFactory = _ => SpecialText.Text };
        special.AcceptOnlyFromAmong("text", "token");
        Option<string> output = CommonOptions.NotEmpty(new("--out") { Description = "also write the ids as input_ids [1, t] int64", HelpName = "FILE.safetensors" });
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "tokenize",
            "Turns a text into token ids, or ids into text. Prints the ids of the document on one line, or the text as it is.",
            "monosemantic tokenize --tokenizer activations/sample/dotnet-docs-lm --text story.txt --json")
        { tokenizer, text, ids, bos, template, special, output, json };
        command.SetAction(parsed =>
        {
            (string? textFile, string? idsFile) = (parsed.GetValue(text), parsed.GetValue(ids));
            bool addBos = parsed.GetValue(bos), addTemplate = parsed.GetValue(template);
            if (textFile is null == idsFile is null) throw new UserErrorException("tokenize takes either --text FILE or --ids FILE", "give one of the two; - is standard input");
            if (addBos && addTemplate) throw new UserErrorException("--bos and --template are both given", "give one: a template usually has the beginning-of-sequence token in it");
            var policy = new EncodingPolicy { Add = addBos ? AddedMarks.Bos : addTemplate ? AddedMarks.Template : AddedMarks.None, Special = parsed.GetValue(special) };
            var run = new TokenizeRun(Tokenizer.Load(parsed.GetRequiredValue(tokenizer)), parsed.GetValue(output), parsed.GetValue(json));
            if (textFile is not null) run.Encode(textFile, policy);
            else if (policy != EncodingPolicy.Plain) throw new UserErrorException("--bos, --template and --special say how text is encoded, but --ids was given", "leave them out, or give --text");
            else run.Decode(idsFile!);
        });
        return command;
    }
}
