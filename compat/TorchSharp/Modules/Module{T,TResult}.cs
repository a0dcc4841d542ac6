namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public abstract class Module<T, TResult> : HookableModule<Func<Module<T, TResult>, T, T>,
            Func<Module<T, TResult>, T, TResult, TResult>>, IModule<T, TResult>
        {
            protected Module(string name) : base(name) { }

            public abstract TResult forward(T input);

            /// <summary>Runs hooks around <see cref="forward"/>; what a hook returns, unless null, replaces what it was given.</summary>
            public TResult call(T input)
            {
                RunModulePreHooks();
                foreach (var hook in _preHooks.Values) input = hook(this, input) ?? input;
                TResult result = forward(input);
                foreach (var hook in _postHooks.Values) result = hook(this, input, result) ?? result;
                RunModulePostHooks();
                return result;
            }
        }

        public abstract class Module<T1, T2, TResult> : HookableModule<Func<Module<T1, T2, TResult>, T1, T2, (T1, T2)?>,
            Func<Module<T1, T2, TResult>, T1, T2, TResult, TResult>>, IModule<T1, T2, TResult>
        {
            protected Module(string name) : base(name) { }

            public abstract TResult forward(T1 input1, T2 input2);

            /// <inheritdoc cref="Module{T, TResult}.call"/>
            public TResult call(T1 input1, T2 input2)
            {
                RunModulePreHooks();
                foreach (var hook in _preHooks.Values) (input1, input2) = hook(this, input1, input2) ?? (input1, input2);
                TResult result = forward(input1, input2);
                foreach (var hook in _postHooks.Values) result = hook(this, input1, input2, result) ?? result;
                RunModulePostHooks();
                return result;
            }
        }
    }
}

