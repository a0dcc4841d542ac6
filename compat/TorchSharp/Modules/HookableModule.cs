namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        /// <summary>A module whose <c>call</c> runs: module pre-hooks, pre-hooks, forward, post-hooks, module post-hooks.</summary>
        public class HookableModule<TPreHook, TPostHook> : Module
        {
            private protected readonly OrderedDictionary<int, TPreHook> _preHooks = [];
            private protected readonly OrderedDictionary<int, TPostHook> _postHooks = [];
            private readonly OrderedDictionary<int, Action<Module>> _modulePreHooks = [];
            private readonly OrderedDictionary<int, Action<Module>> _modulePostHooks = [];
            private int _lastKey;

            protected HookableModule(string name) : base(name) { }

            public HookRemover register_forward_pre_hook(TPreHook hook) => Register(_preHooks, hook);

            public HookRemover register_forward_pre_hook(Action<Module> hook) => Register(_modulePreHooks, hook);

            public HookRemover register_forward_hook(TPostHook hook) => Register(_postHooks, hook);

            public HookRemover register_forward_hook(Action<Module> hook) => Register(_modulePostHooks, hook);

            private HookRemover Register<T>(OrderedDictionary<int, T> hooks, T hook)
            {
                int key = ++_lastKey;
                hooks.Add(key, hook);
                return new HookRemover(() => hooks.Remove(key));
            }

            private protected void RunModulePreHooks() => Run(_modulePreHooks);

            private protected void RunModulePostHooks() => Run(_modulePostHooks);

            private void Run(OrderedDictionary<int, Action<Module>> hooks)
            {
                foreach (Action<Module> hook in hooks.Values) hook(this);
            }

            public class HookRemover
            {
                private readonly Action _remove;

                internal HookRemover(Action remove) => _remove = remove;

                public void remove() => _remove();
            }
        }
    }
}
