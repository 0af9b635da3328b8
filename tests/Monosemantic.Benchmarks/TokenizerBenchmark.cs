using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;
using Monosemantic.Runtime;
using Tokenizer = Monosemantic.Text.Tokenizer;

namespace Monosemantic.Benchmarks;

/// <summary>One tokenizer on one text, on one core; rates are megabytes of UTF-8 per second of processor time.</summary>
/// <param name="Tokenizer">Its file.</param>
/// <param name="Text">The text's file.</param>
/// <param name="Bytes">Bytes of the text.</param>
/// <param name="Tokens">Tokens of the text.</param>
/// <param name="FirstMegabytesPerSecond">The first pass of a fresh tokenizer over the text, which has to learn every word.</param>
/// <param name="MegabytesPerSecond">Later passes, the median.</param>
/// <param name="OffsetsMegabytesPerSecond">Later passes with offsets, the median.</param>
/// <param name="OtherMegabytesPerSecond">Microsoft.ML.Tokenizers in the same rounds, the median; 0 where it does not read the file.</param>
/// <param name="AllocatedBytesPerByte">Memory allocated per byte of text in a later pass, the result included.</param>
internal sealed record TokenizerResult(
    string Tokenizer, string Text, long Bytes, int Tokens, double FirstMegabytesPerSecond, double MegabytesPerSecond, double OffsetsMegabytesPerSecond, double OtherMegabytesPerSecond, double AllocatedBytesPerByte);

/// <summary>
/// How fast tokenizers encode, beside Microsoft.ML.Tokenizers, the two interleaved in one process. Processor time is counted,
/// not the clock's, so that a busy machine does not look like a slow tokenizer.
/// </summary>
internal static class TokenizerBenchmark
{
    private static readonly string[] Texts = ["tinystories_val.txt", "wikitext2_test.txt"];

    internal static int Run(string[] options)
    {
        string data = Value(options, "--data") ?? Environment.GetEnvironmentVariable("MONOSEMANTIC_DATA") ?? Path.Combine("..", "shared", "data");
        if (!Directory.Exists(data)) throw new UserErrorException($"{data} does not exist", "give the folder with tokenizers and corpora as --data DIR");
        int rounds = options.Contains("--quick") ? 3 : 9;
        var results = new List<TokenizerResult>();
        Console.WriteLine("tokenizer                    text                  tokens first_MB/s MB/s offsets_MB/s other_MB/s ratio allocated/byte");
        foreach ((string file, Func<string, Func<string, int>?> other) in Candidates())
        {
            foreach (string text in Texts)
            {
                TokenizerResult result = Measure(Path.Combine(data, file), other(Path.Combine(data, file)), Path.Combine(data, "corpora", text), rounds);
                results.Add(result);
                string against = result.OtherMegabytesPerSecond == 0 ? "-" : $"{result.MegabytesPerSecond / result.OtherMegabytesPerSecond:F1}";
                Console.WriteLine($"{result.Tokenizer,-28} {text,-20} {result.Tokens,7} {result.FirstMegabytesPerSecond,10:F1} {result.MegabytesPerSecond,4:F0} {result.OffsetsMegabytesPerSecond,12:F1} {result.OtherMegabytesPerSecond,10:F1} {against,5} {result.AllocatedBytesPerByte,14:F1}");
            }
        }
        if (Value(options, "--json") is { } json) JsonFile.Write(json, results);
        return 0;
    }

    private static IEnumerable<(string File, Func<string, Func<string, int>?> Other)> Candidates() =>
    [
        (Path.Combine("tokenizers", "gpt2_encoder.json"), Gpt2),
        (Path.Combine("tokenizers", "gptneox_20B_tokenizer.json"), _ => null),
        (Path.Combine("tokenizers", "llama2_tokenizer.model"), Llama),
        (Path.Combine("stories260K", "tok512.bin"), _ => null),
    ];

    private static Func<string, int> Gpt2(string file)
    {
        const string Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
        Dictionary<string, int> vocabulary = JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllBytes(file))!;
        IEnumerable<string> merges = File.ReadLines(file.Replace("encoder.json", "vocab.bpe", StringComparison.Ordinal)).Skip(1).Where(line => line.Length > 0);
        var other = BpeTokenizer.Create(new BpeOptions(vocabulary) { Merges = merges, ByteLevel = true, PreTokenizer = new RegexPreTokenizer(new Regex(Pattern, RegexOptions.Compiled), null) });
        return text => other.EncodeToIds(text).Count;
    }

    private static Func<string, int> Llama(string file)
    {
        using FileStream stream = File.OpenRead(file);
        var other = LlamaTokenizer.Create(stream, addBeginOfSentence: false);
        return text => other.EncodeToIds(text).Count;
    }

    private static TokenizerResult Measure(string file, Func<string, int>? other, string textFile, int rounds)
    {
        string text = File.ReadAllText(textFile);
        double megabytes = Encoding.UTF8.GetByteCount(text) / 1e6;
        // Compiled code for both, with another tokenizer of the kind, so that the first pass measures an empty memory of words.
        for (int i = 0; i < 3; i++) Tokenizer.Load(file).Encode(text);
        other?.Invoke(text);
        Tokenizer tokenizer = Tokenizer.Load(file);
        int tokens = 0;
        double first = Seconds(() => tokens = tokenizer.Encode(text).Length);
        double[][] seconds = [new double[rounds], new double[rounds], new double[rounds]];
        for (int round = 0; round < rounds; round++)
        {
            seconds[0][round] = Seconds(() => tokenizer.Encode(text));
            seconds[1][round] = Seconds(() => tokenizer.EncodeWithOffsets(text));
            if (other is not null) seconds[2][round] = Seconds(() => other(text));
        }
        long before = GC.GetAllocatedBytesForCurrentThread();
        tokenizer.Encode(text);
        double allocated = (GC.GetAllocatedBytesForCurrentThread() - before) / (megabytes * 1e6);
        double Rate(double time) => time > 0 ? Math.Round(megabytes / time, 2) : 0;
        return new(
            Path.GetFileName(file), Path.GetFileName(textFile), (long)(megabytes * 1e6), tokens, Rate(first), Rate(Median(seconds[0])), Rate(Median(seconds[1])), other is null ? 0 : Rate(Median(seconds[2])), Math.Round(allocated, 2));
    }

    private static double Seconds(Action work)
    {
        TimeSpan before = Environment.CpuUsage.TotalTime;
        work();
        return (Environment.CpuUsage.TotalTime - before).TotalSeconds;
    }

    private static double Median(double[] times) => times.Order().ElementAt(times.Length / 2);

    private static string? Value(string[] options, string name)
    {
        int at = Array.IndexOf(options, name);
        if (at < 0) return null;
        return at + 1 < options.Length ? options[at + 1] : throw new UserErrorException($"{name} has no value", $"write {name} VALUE");
    }
}
