using System.Text;
using CsCheck;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Tests.Text;

public sealed class BytePairTrainerTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Merges_are_those_of_counting_anew_at_every_step()
    {
        Gen<string> text = Gen.String[Gen.Char["aabbc  dé"]].Where(text => text.Length > 0);
        Gen.Select(text.Array[1, 12], Gen.Int[1, 25]).Sample((texts, wanted) =>
        {
            List<MergeRule> expected = CountAnew(texts, wanted);
            if (expected.Count < wanted)
            {
                Assert.Throws<UserErrorException>(() => Train(texts, BytePairTrainer.MinVocabularySize + wanted));
                return;
            }
            Assert.Equal(expected, Train(texts, BytePairTrainer.MinVocabularySize + wanted).Merges);
        });
    }

    [Fact]
    public void Equal_letters_in_a_row_are_merged_from_the_left()
    {
        TokenizerFile file = Train(["aaaaaaa"], 259);
        Tokenizer tokenizer = Tokenizer.Create(file);

        Assert.Equal([new MergeRule("a", "a"), new MergeRule("aa", "aa")], file.Merges);
        Assert.Equal(["aaaa", "aa", "a"], tokenizer.Encode("aaaaaaa").Select(tokenizer.Display));
    }

    [Fact]
    public void Bytes_come_first_and_the_end_of_text_last()
    {
        TokenizerFile file = Train(["the then there"], 260);

        Assert.Equal(Enumerable.Range(0, 260), file.Vocabulary.Select(token => token.Id));
        Assert.Equal("!", file.Vocabulary[0].Text);
        Assert.Equal([new AddedToken(259, "<|endoftext|>", true, false)], file.AddedTokens);
        // "th" and "he" occur three times each; 'h' has the lower id, so (h, e) is first. Then (t, he), three times as well.
        Assert.Equal(["he", "the", "Ġthe"], file.Vocabulary.Skip(256).Take(3).Select(token => token.Text));
    }

    [Fact]
    public void The_order_of_the_texts_does_not_matter()
    {
        string[] texts = ["one two three", "two three four", "three four five", "naïve 日本"];
        Assert.Equal(Train(texts, 280).ToJson(), Train(texts.Reverse(), 280).ToJson());
    }

    [Fact]
    public void A_saved_vocabulary_loads_as_the_same_tokenizer()
    {
        TokenizerFile file = Train(["some text \"quoted\" \\ with ünïcode 日本日本 and <html>"], 290);
        string path = Path.Combine(folder, TokenizerFile.FileName);
        file.Save(path);

        TokenizerFile back = TokenizerFile.Load(folder);
        Tokenizer tokenizer = Tokenizer.Load(path);

        Assert.Equal(file.Vocabulary, back.Vocabulary);
        Assert.Equal(file.Merges, back.Merges);
        Assert.Equal(file.AddedTokens, back.AddedTokens);
        Assert.Equal(Hashing.OfFile(path), tokenizer.Sha256);
        Assert.Equal(Tokenizer.Create(file).Sha256, tokenizer.Sha256);
        Assert.Equal(290, tokenizer.VocabularySize);
        Assert.Equal(289, tokenizer.EndOfText);
    }

    [Fact]
    public void Too_small_a_vocabulary_or_too_little_text_is_refused()
    {
        Assert.Contains("257", Assert.Throws<UserErrorException>(() => Train(["abc"], 256)).Message);
        Assert.Contains("259", Assert.Throws<UserErrorException>(() => Train(["abc"], 1000)).Message);
        Assert.Empty(Train([], 257).Merges);
    }

    [Fact]
    public void Training_stops_when_cancelled()
    {
        Assert.Throws<OperationCanceledException>(() => BytePairTrainer.Train(["abc abc"], 258, null, new CancellationToken(canceled: true)));
    }

    private static TokenizerFile Train(IEnumerable<string> texts, int vocabularySize) =>
        BytePairTrainer.Train(texts, vocabularySize, null, TestContext.Current.CancellationToken);

    // The definition, word by word and pair by pair, with nothing carried from one step to the next.
    private static List<MergeRule> CountAnew(string[] texts, int wanted)
    {
        List<List<int>> words = [.. texts.SelectMany(PreTokens).Select(word => Encoding.UTF8.GetBytes(word).Select(value => ByteAlphabet.Order.IndexOf(value)).ToList())];
        List<string> names = [.. ByteAlphabet.Order.Select(value => ByteAlphabet.ToCharacter(value).ToString())];
        var merges = new List<MergeRule>();
        while (merges.Count < wanted)
        {
            var best = words.SelectMany(word => word.Zip(word.Skip(1))).GroupBy(pair => pair)
                .OrderByDescending(group => group.Count()).ThenBy(group => group.Key.First).ThenBy(group => group.Key.Second).FirstOrDefault();
            if (best is null) break;
            (int left, int right) = best.Key;
            merges.Add(new MergeRule(names[left], names[right]));
            names.Add(names[left] + names[right]);
            foreach (List<int> word in words)
            {
                for (int i = 0; i + 1 < word.Count; i++)
                {
                    if (word[i] != left || word[i + 1] != right) continue;
                    word[i] = names.Count - 1;
                    word.RemoveAt(i + 1);
                }
            }
        }
        return merges;
    }

    private static IEnumerable<string> PreTokens(string text)
    {
        for (int at = 0, length; at < text.Length; at += length)
        {
            length = Gpt2PreTokenizer.NextLength(text.AsSpan(at));
            yield return text.Substring(at, length);
        }
    }
}
