using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Tests.Text;

/// <summary>llama2.c's vocabulary, GPT-2's two files, characters, and the files beside them.</summary>
public sealed class OtherFormatTests : IDisposable
{
    private static readonly TokenizerFile Small = BytePairTrainer.Train(["the then there's a  thing, naïve 日本日本 42"], 280);

    private static readonly (string Text, float Score)[] Words = [(" a", -1), ("ab", -2), (" ab", -3), (" ", -4), ("a", -5), ("b", -6), ("é", -7), ("ba", -7)];

    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Llama2c_encodes_as_its_own_program_does()
    {
        Tokenizer tokenizer = LoadLlama2c(Llama2c(Words));
        Dictionary<string, float> scores = Words.ToDictionary(word => word.Text, word => word.Score);
        Gen.String[Gen.Char["aabb  éxy"], 0, 40].Sample(text => Assert.Equal(ByDefinition(text, scores), tokenizer.Pieces(text)));
        JsonTokenizer.AnyText.Sample(text => Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text))));
        Assert.Equal(" ab|<s>| a", tokenizer.Pieces("ab<s>a", special: true));
        Assert.Equal("<s>ab", tokenizer.Decode(tokenizer.Encode("ab", new EncodingPolicy { Add = AddedMarks.Bos })));
        Assert.Equal((1, 2, 0), (tokenizer.Bos, tokenizer.Eos, tokenizer.Unknown));
        Assert.Equal("<s>", tokenizer.Piece(1));
        Assert.Equal("ab|x", tokenizer.Stretches("abx"));
    }

    [Fact]
    public void A_truncated_llama2c_vocabulary_is_refused_or_lacks_pieces()
    {
        byte[] whole = Llama2c(Words);
        int[] ends = [.. Ends(Words)];
        for (int length = 0; length < whole.Length; length++)
        {
            // The format does not say how many tokens there are: only inside one, or before the last byte, can it be seen.
            if (ends.Contains(length)) continue;
            Assert.Contains("is not a llama2.c tokenizer", Assert.Throws<UserErrorException>(() => LoadLlama2c(whole[..length])).Message);
        }
    }

    [Theory]
    [InlineData(0, "longest piece")]
    [InlineData(1, "token 5 has 500 bytes")]
    [InlineData(2, "not UTF-8")]
    [InlineData(3, "must be <0x02>")]
    [InlineData(4, "token for a space")]
    [InlineData(5, "not a number")]
    public void A_damaged_llama2c_vocabulary_is_refused_by_name(int kind, string named)
    {
        byte[] file = kind == 4 ? Llama2c(Words.Where(word => word.Text != " ")) : kind == 5 ? Llama2c([.. Words, ("q", float.NaN)]) : Llama2c(Words);
        int fifth = file.AsSpan().IndexOf("<0x02>"u8);
        if (kind == 0) file.AsSpan(0, 4).Fill(0xFF);
        if (kind == 1) BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(fifth - 4), 500);
        if (kind == 2) file[fifth] = 0xFF;
        if (kind == 3) file[fifth + 4] = (byte)'9';
        Assert.Contains(named, Assert.Throws<UserErrorException>(() => LoadLlama2c(file)).Message);
    }

    [Fact]
    public void A_vocabulary_and_its_merges_are_gpt_2_s_tokenizer()
    {
        (string vocabulary, string merges) = WriteGpt2("vocab.json", "merges.txt");
        Tokenizer expected = Tokenizer.Create(Small);
        foreach (string path in new[] { folder, vocabulary, merges })
        {
            Tokenizer tokenizer = Tokenizer.Load(path);
            JsonTokenizer.AnyText.Sample(text => Assert.Equal(expected.Encode(text), tokenizer.Encode(text)), iter: 20);
            Assert.Equal(expected.EndOfText, tokenizer.Bos);
            Assert.Equal("byte-level BPE (vocab.json and merges.txt)", tokenizer.Kind);
        }
        File.Move(merges, merges + ".away");
        Assert.Contains("half of a tokenizer", Assert.Throws<UserErrorException>(() => Tokenizer.Load(folder)).Message);
    }

    [Theory]
    [InlineData("my_encoder.json", "my_vocab.bpe")]
    [InlineData("x-vocab.json", "x-merges.txt")]
    public void The_two_files_find_each_other_by_name(string vocabulary, string merges)
    {
        (string first, string second) = WriteGpt2(vocabulary, merges);
        Assert.Equal(Tokenizer.Load(first).Sha256, Tokenizer.Load(second).Sha256);
        Assert.Equal(Tokenizer.Create(Small).Encode("the then"), Tokenizer.Load(second).Encode("the then"));
    }

    [Theory]
    [InlineData("t zz\n", "merges[")]
    [InlineData("t h e\n", "a merge is two tokens")]
    [InlineData("th\n", "a merge is two tokens")]
    public void Merges_that_make_no_sense_are_refused(string line, string named)
    {
        (_, string merges) = WriteGpt2("vocab.json", "merges.txt");
        File.AppendAllText(merges, line);
        UserErrorException error = Assert.Throws<UserErrorException>(() => Tokenizer.Load(folder));
        Assert.Contains(named, error.Message);
        Assert.Contains("merges.txt", error.Message);
    }

    [Fact]
    public void The_class_beside_a_vocabulary_says_how_text_is_cut()
    {
        WriteGpt2("vocab.json", "merges.txt");
        string Pieces(string config)
        {
            File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), config);
            return Tokenizer.Load(folder).Pieces("the42");
        }
        Assert.Equal("the|42", Pieces("{}"));
        Assert.Equal("the|4|2", Pieces("""{"tokenizer_class":"Qwen2Tokenizer"}"""));
        Assert.Contains("Ġthe", Pieces("""{"tokenizer_class":"GPT2Tokenizer","add_prefix_space":true}"""));
        Assert.Contains("CLIPTokenizer", Assert.Throws<UserErrorException>(() => Pieces("""{"tokenizer_class":"CLIPTokenizer"}""")).Message);
    }

    [Fact]
    public void Marks_come_from_the_files_beside_the_tokenizer()
    {
        Small.Save(Path.Combine(folder, "tokenizer.json"));
        int end = Small.Vocabulary[^1].Id;
        Assert.Equal((end, end), (Tokenizer.Load(folder).Bos, Tokenizer.Load(folder).Eos));

        Write("config.json", """{"bos_token_id":0,"eos_token_id":[3,4],"pad_token_id":99999,"model_type":"any"}""");
        Tokenizer byIds = Tokenizer.Load(folder);
        Assert.Equal((0, 3, null), (byIds.Bos, byIds.Eos, byIds.Padding));

        Write("special_tokens_map.json", """{"eos_token":{"content":"e","lstrip":false}}""");
        Write("tokenizer_config.json", """{"bos_token":"t","eos_token":null,"unk_token":"h"}""");
        Tokenizer byNames = Tokenizer.Load(folder);
        Assert.Equal(("t", "e", "h"), (byNames.Piece(byNames.Bos!.Value), byNames.Piece(byNames.Eos!.Value), byNames.Piece(byNames.Unknown!.Value)));
        Assert.Equal(Tokenizer.Create(Small).Sha256, byNames.Sha256);

        Write("tokenizer_config.json", """{"bos_token":"<nowhere>"}""");
        Assert.Contains("bos_token is \"<nowhere>\"", Assert.Throws<UserErrorException>(() => Tokenizer.Load(folder)).Message);
        Write("tokenizer_config.json", "{");
        Assert.Contains("not JSON", Assert.Throws<UserErrorException>(() => Tokenizer.Load(folder)).Message);
    }

    [Fact]
    public void A_text_s_characters_are_a_vocabulary()
    {
        var characters = CharacterVocabulary.FromText("ba🦙 \na");
        Assert.Equal(["\n", " ", "a", "b", "🦙"], characters.Characters);
        string path = Path.Combine(folder, CharacterVocabulary.FileName);
        characters.Save(path);
        Tokenizer tokenizer = Tokenizer.Load(folder);
        Assert.Equal([3, 2, 4, 1, 0], tokenizer.Encode("ba🦙 \n"));
        Assert.Equal("b|a|🦙", tokenizer.Stretches("ba🦙"));
        Assert.Equal("ba🦙", tokenizer.Decode([3, 2, 4]));
        Assert.Equal(5, tokenizer.VocabularySize);
        Assert.Equal(Tokenizer.Create(characters).Sha256, Tokenizer.Load(path).Sha256);
        Assert.Contains("\"x\" (U+0078)", Assert.Throws<UserErrorException>(() => tokenizer.Encode("axb")).Message);
    }

    [Fact]
    public void Other_characters_may_have_a_token_of_their_own()
    {
        Tokenizer tokenizer = Tokenizer.Create(CharacterVocabulary.FromText("ab", unknown: "<?>"));
        Assert.Equal([0, 2, 2, 1], tokenizer.Encode("axyb"));
        Assert.Equal("a<?><?>b", tokenizer.Decode(tokenizer.Encode("axyb")));
        Assert.Equal(2, tokenizer.Unknown);
    }

    [Theory]
    [InlineData("""{"type":"characters","characters":[]}""", "characters is empty or holds null")]
    [InlineData("""{"type":"characters","characters":null}""", "characters")]
    [InlineData("""{"type":"characters","characters":[null]}""", "characters")]
    [InlineData("""{"type":"characters","characters":["ab"]}""", "not one character")]
    [InlineData("""{"type":"characters","characters":[""]}""", "not one character")]
    [InlineData("""{"type":"characters","characters":["a","a"]}""", "twice")]
    [InlineData("""{"type":"words","characters":["a"]}""", "type is \"words\"")]
    [InlineData("""{"type":"characters","characters":["a"],"unknown":""}""", "unknown is empty")]
    [InlineData("""{"type":"characters","characters":["a"],"more":1}""", "more")]
    public void A_vocabulary_of_characters_that_makes_no_sense_is_refused(string json, string named)
    {
        Write(CharacterVocabulary.FileName, json);
        Assert.Contains(named, Assert.Throws<UserErrorException>(() => Tokenizer.Load(folder)).Message);
    }

    [Fact]
    public void What_is_no_tokenizer_is_refused_with_what_would_be()
    {
        UserErrorException error = Assert.Throws<UserErrorException>(() => Tokenizer.Load(Write("story.txt", "Once upon a time")));
        Assert.Contains("not a tokenizer", error.Message);
        Assert.All(["tokenizer.json", "vocab.json", "tokenizer.model", "tokenizer.bin", "characters.json"], known => Assert.Contains(known, error.Hint));
        Assert.Throws<UserErrorException>(() => Tokenizer.Load(Write("list.json", "[1, 2]")));
        Assert.Contains("UTF-8", Assert.Throws<UserErrorException>(() => Tokenizer.Load(WriteBytes("tokenizer.json", [(byte)'{', 0xFF, (byte)'}']))).Message);
    }

    private static IEnumerable<int> Ends(IEnumerable<(string Text, float Score)> words)
    {
        int end = 4;
        int space = words.Index().First(word => word.Item.Text == " ").Index;
        foreach (((string text, float _), int index) in Pieces(words).Select((piece, index) => (piece, index)))
        {
            end += 8 + Encoding.UTF8.GetByteCount(text);
            if (index >= 259 + space) yield return end;
        }
    }

    private static IEnumerable<(string Text, float Score)> Pieces(IEnumerable<(string Text, float Score)> words) =>
        [("<unk>", 0), ("\n<s>\n", 0), ("\n</s>\n", 0), .. Enumerable.Range(0, 256).Select(value => ($"<0x{value:X2}>", 0f)), .. words];

    private static byte[] Llama2c(IEnumerable<(string Text, float Score)> words)
    {
        var file = new List<byte>(BitConverter.GetBytes(Pieces(words).Max(piece => Encoding.UTF8.GetByteCount(piece.Text))));
        foreach ((string text, float score) in Pieces(words))
        {
            byte[] utf8 = Encoding.UTF8.GetBytes(text);
            file.AddRange([.. BitConverter.GetBytes(score), .. BitConverter.GetBytes(utf8.Length), .. utf8]);
        }
        return [.. file];
    }

    // run.c: a space in front, then the best pair, the leftmost of equals, until none is a piece.
    private static string ByDefinition(string text, Dictionary<string, float> scores)
    {
        if (text.Length == 0) return "";
        List<string> symbols = [" "];
        foreach (Rune rune in text.EnumerateRunes())
        {
            string character = rune.ToString();
            if (scores.ContainsKey(character)) symbols.Add(character);
            else symbols.AddRange(Encoding.UTF8.GetBytes(character).Select(value => $"<0x{value:X2}>"));
        }
        while (true)
        {
            int[] places = [.. Enumerable.Range(0, symbols.Count - 1).Where(i => scores.ContainsKey(symbols[i] + symbols[i + 1]))];
            if (places.Length == 0) return string.Join('|', symbols);
            int at = places.MaxBy(i => scores[symbols[i] + symbols[i + 1]]);
            symbols[at] += symbols[at + 1];
            symbols.RemoveAt(at + 1);
        }
    }

    private Tokenizer LoadLlama2c(byte[] file) => Tokenizer.Load(WriteBytes("tokenizer.bin", file));

    private (string Vocabulary, string Merges) WriteGpt2(string vocabulary, string merges)
    {
        var ids = new JsonObject(Small.Vocabulary.Select(token => KeyValuePair.Create(token.Text, (JsonNode?)JsonValue.Create(token.Id))));
        return (Write(vocabulary, ids.ToJsonString()), Write(merges, "#version: 0.2\n" + string.Concat(Small.Merges.Select(merge => $"{merge.Left} {merge.Right}\n"))));
    }

    private string Write(string name, string text) => WriteBytes(name, Encoding.UTF8.GetBytes(text));

    private string WriteBytes(string name, byte[] bytes)
    {
        string path = Path.Combine(folder, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
